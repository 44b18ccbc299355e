"""Makes what a release consists of: `make image` and `make release`. No part of the product."""
