"""What counts and volumes imply for preprocessing."""
