"""Where jobs come from: generators and traces, each of which makes a JobTable."""
