"""What can be done with trained weights besides training them on."""
