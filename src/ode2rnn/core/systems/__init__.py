"""What has a tick or a rate, with its tangent and cotangent; the user's own; and the one adaptor to vectors."""
