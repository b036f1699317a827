"""The Pusher component: TFX's own, with an executor that survives being killed."""

from __future__ import annotations

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from components.pusher.executor import PusherExecutor


class Pusher(tfx.components.Pusher):
    """Pushes a blessed model to a folder of versions, as TFX's Pusher does."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(PusherExecutor)
