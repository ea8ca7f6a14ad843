"""S3 through boto3: requests, the meaning of refusals, whole writes and conditional ones."""
