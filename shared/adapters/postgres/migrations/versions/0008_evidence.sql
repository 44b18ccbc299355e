-- 32 random bytes, made when first needed; PLATEREEL_SIGNING_KEY takes their place.
ALTER TABLE deployment ADD COLUMN signing_seed bytea;
