"""What tests stand on: real servers, whole deployments, pictures that carry their number."""
