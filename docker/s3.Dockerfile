# MinIO that runs as an ordinary user: a new volume takes its owner from the folder in the image.
FROM minio/minio:RELEASE.2025-04-22T22-12-26Z
RUN mkdir /srv/s3 && chown 1000:1000 /srv/s3
COPY docker/run/s3.sh /srv/run/
USER 1000:1000
ENTRYPOINT ["sh", "/srv/run/s3.sh"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s CMD ["curl", "--fail", "--silent", "http://127.0.0.1:9000/minio/health/live"]
