# One image for web and workers; the decode kernel is compiled in it. For worker-gpu build it with --build-arg EXTRAS=[torch],
# and with --build-arg TORCH_INDEX=<a package index> to take torch from there.
FROM python:3.11-slim AS build
ARG EXTRAS=""
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/ritornello
RUN [ -z "$EXTRAS" ] || /opt/ritornello/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch==2.13.0
COPY . /source
RUN /opt/ritornello/bin/pip install "/source$EXTRAS" && cd / && /opt/ritornello/bin/python -m core.native.build --all

FROM python:3.11-slim
# The kernel needs the C++ library that it was built with; there is no compiler here, and none is needed.
RUN apt-get update && apt-get install --yes --no-install-recommends libstdc++6 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/ritornello /opt/ritornello
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ritornello
ENV PATH=/opt/ritornello/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER ritornello
WORKDIR /tmp
EXPOSE 8000
CMD ["ritornello", "--help"]
