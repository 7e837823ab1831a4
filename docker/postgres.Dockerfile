# PostgreSQL as its own user, with a folder of that user's for the volume.
FROM postgres:15.14-bookworm
RUN install --directory --owner 999 --group 999 --mode 700 /srv/postgres
COPY docker/run/postgres.sh /srv/run/
USER 999:999
ENV PGDATA=/srv/postgres/data
ENTRYPOINT ["sh", "/srv/run/postgres.sh"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s CMD ["pg_isready", "--host", "127.0.0.1", "--username", "iterpref"]
