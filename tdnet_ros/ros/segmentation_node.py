"""The lifecycle node: loads one network and lets it label every camera's images."""
from __future__ import annotations

from collections.abc import Callable, Sequence
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from tdnet_ros.ros import graph
from tdnet_ros.ros.adaptation import Adaptation
from tdnet_ros.ros.bond import Bond
from tdnet_ros.ros.camera_stream import CameraStream
from tdnet_ros.ros.declaration import DeclaredParameters, unknown_names, unused_qos_overrides
from tdnet_ros.ros.device import release_memory
from tdnet_ros.ros.diagnostics import ERROR, WARN, DiagnosticsThread, Finding, noting
from tdnet_ros.ros.errors import logged_warnings, one_line
from tdnet_ros.ros.label_map import LabelMap
from tdnet_ros.ros.memory_guard import MemoryGuard
from tdnet_ros.ros.parameter_files import unused_files
from tdnet_ros.ros.parameters import NodeParameters
from tdnet_ros.ros.simulated_time import SimulatedTime
from tdnet_ros.ros.statuses import camera_status, device_status, log_model
from tdnet_ros.ros.transitions import refuse_impossible
from tdnet_ros.ros.worker import Worker
from tdnet_ros.stream import VideoSegmenter


class SegmentationNode(LifecycleNode):
    """Configure loads, activate subscribes, deactivate stops, cleanup frees.

    Images arrive in the executor's thread, are labelled in the worker's, and diagnostics leave
    from a third, so neither services nor diagnostics wait for the network.
    """

    def __init__(self, load: Callable[..., VideoSegmenter] = VideoSegmenter.load,
                 parameter_files: Sequence[str] = ()) -> None:
        super().__init__('tdnet')
        self._load = load
        self._declared = DeclaredParameters(self)
        self._unused: list[str] = []
        self._warned: list[str] = []
        self._segmenter: VideoSegmenter | None = None
        self._guard: MemoryGuard | None = None
        self._adaptation: Adaptation | None = None
        self._streams: list[CameraStream] = []
        self._worker: Worker | None = None
        self._bond = Bond(self)
        self._phase = 'unconfigured'
        self._failure = ''
        self._ignored = [*unknown_names(self),
                         *unused_files(parameter_files, self.get_fully_qualified_name())]
        self._say_unused(self._ignored)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_service(SetBool, '~/enable', self._on_enable)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=self._on_clock_jump)
        refuse_impossible(self, lambda: self._phase)
        self._simulated_time = SimulatedTime(self)
        self._diagnostics = DiagnosticsThread(
            self, self._declared.current.diagnostics_period_s, self._statuses)

    def start(self) -> None:
        """Configure and activate, unless a lifecycle manager is to do that."""
        if (self._declared.current.autostart
                and self.trigger_configure() == TransitionCallbackReturn.SUCCESS):
            self.trigger_activate()

    def stop(self) -> None:
        """End the threads and take the topics back, from any state; the process ends next."""
        self._diagnostics.stop()
        self._release()

    def on_configure(self, state: Any) -> TransitionCallbackReturn:
        """Load the network, run it once on every path and offer the topics."""
        return self._attempt('configure', self._configure, undo=self._clean_up)

    def on_activate(self, state: Any) -> TransitionCallbackReturn:
        """Subscribe and label."""
        return self._attempt('activate', self._activate, undo=self._deactivate)

    def on_deactivate(self, state: Any) -> TransitionCallbackReturn:
        """Stop labelling; the network stays loaded, the memories are emptied."""
        return self._attempt('deactivate', self._deactivate)

    def on_cleanup(self, state: Any) -> TransitionCallbackReturn:
        """Free the network and take the topics back."""
        return self._attempt('clean up', self._clean_up)

    def on_shutdown(self, state: Any) -> TransitionCallbackReturn:
        """Free everything."""
        return self._attempt('shut down', self._shut_down)

    def on_error(self, state: Any) -> TransitionCallbackReturn:
        """Fall back to unconfigured after a transition that failed half-way."""
        return self._attempt('recover', self._clean_up)

    def _configure(self) -> None:
        self._phase = 'configuring'
        settings = self._declared.current
        if self._declared.problem:
            raise ValueError(self._declared.problem)
        height, width = settings.input_size
        with logged_warnings(self.get_logger()) as self._warned:
            segmenter = self._load(
                settings.model, settings.device, (height, width) if height else None,
                settings.weights, engine=settings.engine, precision=settings.precision)
            LabelMap(segmenter.card.classes, settings.keep_classes, settings.class_remap)
            guard = MemoryGuard(segmenter, self.get_logger())
            guard.warm_up(len(settings.cameras))
            self._adaptation = (Adaptation(segmenter, self.get_logger())
                                if settings.adaptive else None)
        self._segmenter, self._guard = segmenter, guard
        for name in settings.cameras:  # one by one: those that were made are taken back
            self._streams.append(
                CameraStream(self, name, lambda: self._declared.current, segmenter))
        self._phase, self._failure = 'inactive', ''
        log_model(self.get_logger(), segmenter)

    def _activate(self) -> None:
        assert self._segmenter is not None
        assert self._guard is not None
        self._worker = Worker(self._segmenter, self._streams, self._guard, self._adaptation, self)
        for stream in self._streams:
            stream.open(self._worker.wake)
        self._bond.form()
        self._phase, self._failure = 'active', ''
        self._say_unused([*self._ignored, *unused_qos_overrides(self)])
        topics = ', '.join(stream.input.topic for stream in self._streams)
        self.get_logger().info(f'active: labels {topics}')

    def _say_unused(self, lines: list[str]) -> None:
        """Log what was given to the node and has no effect; diagnostics keep saying it."""
        for line in lines:
            if line not in self._unused:
                self.get_logger().warning(line)
        self._unused = lines

    def _deactivate(self) -> None:
        self._bond.end()
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        for stream in self._streams:
            stream.close('node was deactivated')
        self._phase = 'inactive'

    def _release(self) -> None:
        self._deactivate()
        streams, self._streams = self._streams, []
        self._segmenter = self._guard = self._adaptation = None
        self._warned = []
        for stream in streams:
            stream.destroy()
        self._phase = 'unconfigured'

    def _clean_up(self) -> None:
        self._release()
        self._diagnostics.wait()
        try:
            release_memory()
        except RuntimeError as error:
            self.get_logger().warning(f'memory of the device is not freed: {one_line(error)}')

    def _shut_down(self) -> None:
        self._clean_up()
        self._phase = 'finalized'

    def _attempt(self, what: str, action: Callable[[], None],
                 undo: Callable[[], None] | None = None) -> TransitionCallbackReturn:
        """Run a transition; a failing one is undone and says why in log and diagnostics."""
        try:
            action()
            return TransitionCallbackReturn.SUCCESS
        except Exception as error:
            why, trace = one_line(error), traceback.format_exc()
        # From here on no traceback holds what the action had made, such as a network.
        if undo is not None:
            undo()
        if self.context.ok():
            self._failure = f'cannot {what}: {why}'
            self.get_logger().error(self._failure)
            self.get_logger().debug(trace)
        return (TransitionCallbackReturn.FAILURE if undo is not None
                else TransitionCallbackReturn.ERROR)

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            self._declared.change({item.name: item.value for item in changes},
                                  self._phase != 'unconfigured', self._check_classes)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _check_classes(self, settings: NodeParameters) -> None:
        if self._segmenter is not None:
            LabelMap(self._segmenter.card.classes, settings.keep_classes, settings.class_remap)

    def _on_reset(self, request: Any, response: Any) -> Any:
        response.success = self._phase == 'active'
        if response.success:
            for stream in self._streams:
                stream.request_reset('reset was called')
        response.message = ('the next image starts with an empty memory' if response.success
                            else f'nothing to reset: the node is {self._phase}')
        return response

    def _on_enable(self, request: Any, response: Any) -> Any:
        if self._worker is None:
            response.success, response.message = False, f'the node is {self._phase}'
            return response
        for stream in self._streams:
            if request.data and not stream.is_open:
                stream.open(self._worker.wake)
            elif not request.data:
                stream.close('node was disabled')
        self._phase = 'active' if request.data else 'disabled'
        response.success, response.message = True, self._phase
        return response

    def _on_clock_jump(self, jump: Any) -> None:
        now_ns = self.get_clock().now().nanoseconds
        for stream in self._streams:
            stream.clock_went_back(now_ns)

    def _statuses(self) -> list[DiagnosticStatus]:
        name = self.get_fully_qualified_name().lstrip('/')
        pause = self._simulated_time.pause()
        findings = [Finding(WARN, line) for line in (*self._unused, *self._warned)]
        findings += [pause] if pause else []
        with noting(findings):
            findings += graph.namesakes(self)
        if self._failure:
            findings.append(Finding(ERROR, self._failure))
        if self._guard is not None and self._guard.finding:
            findings.append(Finding(WARN, self._guard.finding))
        device = device_status(name, self._phase, findings, self._segmenter, self._adaptation)
        streams = self._streams
        cameras = [camera_status(self, name, self._phase, stream, self._declared.current, pause)
                   for stream in streams]
        # Of topics that are taken back meanwhile there is only to say that they are gone.
        return [device, *cameras] if streams is self._streams else [device]
