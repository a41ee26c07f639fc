# The application: server and worker in one image. The store is a PostGIS server of its own (see compose.yaml).
FROM node:22-bookworm-slim AS viewer
WORKDIR /src/viewer
COPY viewer/package.json viewer/package-lock.json viewer/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY viewer/ ./
RUN npm run build

FROM python:3.12-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONUTF8=1 CIM_DATA_DIR=/data
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY cim/ cim/
COPY ingest/ ingest/
COPY tiles/ tiles/
COPY ogc_api/ ogc_api/
COPY sample_data/ sample_data/
RUN pip install --no-cache-dir --no-deps -e . && useradd --system --uid 10001 cim && mkdir /data && chown cim /data
COPY --from=viewer /src/viewer/dist viewer/dist
USER 10001
EXPOSE 8000
VOLUME /data
HEALTHCHECK --interval=30s --timeout=5s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["cim"]
CMD ["serve", "--host", "0.0.0.0"]
