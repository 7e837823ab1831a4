"""Make the buckets named on the command line, where they are not there yet; AWS_ENDPOINT_URL says where."""

import sys

import boto3

store = boto3.client("s3")
known = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
for name in sys.argv[1:]:
    if name not in known:
        store.create_bucket(Bucket=name)
