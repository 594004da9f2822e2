"""What should run where: policies, attempts and the schedulers that commit them."""
