# One image for web and workers. Build it with --build-arg TORCH_INDEX=<a package index> to take torch from there, such as
# the index of the builds without CUDA (a much smaller image, without worker-gpu).
FROM python:3.11-slim AS build
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/ritornello
RUN /opt/ritornello/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0
COPY . /source
RUN /opt/ritornello/bin/pip install /source

FROM python:3.11-slim
# Only wheels were installed, so there is no compiler here, and none was needed.
COPY --from=build /opt/ritornello /opt/ritornello
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ritornello
ENV PATH=/opt/ritornello/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER ritornello
WORKDIR /tmp
EXPOSE 8000
CMD ["ritornello", "--help"]
