"""One decoder a wire format: bytes in, samples out, or a reason why not."""
