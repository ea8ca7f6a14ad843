"""S3 through boto3: requests, what their refusals mean, whole and conditional writes."""
