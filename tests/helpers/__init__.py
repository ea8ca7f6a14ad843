"""What several tests share: servers, made-up data, small trainings."""
