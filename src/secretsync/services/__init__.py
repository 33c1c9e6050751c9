"""gRPC servicers: they translate only, and decide nothing."""
