"""What people see of the hub: one blueprint per audience, and the streams that keep pages live."""
