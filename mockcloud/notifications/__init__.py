"""What the services tell of themselves on the bus, as oslo.messaging's notifications."""
