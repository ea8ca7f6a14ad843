"""How sure a number is: intervals over seeds, and by resampling documents."""
