"""`pytest contracts -n 2`: pytest-xdist brings the processes, this hands out the cells as `cdp contract -n 2` does.

The process that the user has started judges nothing. Once the others have collected, it starts the run; at the end it
cleans up and writes the footer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from cdp.exit_codes import NOT_JUDGED
from cdp.records import run_directory
from cdp.targets import Target, TargetError
from cdp.verdicts import Cell
from contracts.budget import Depth, OutOfTime
from contracts.examples import ExamplesError, examples_for
from contracts.parallel.deaths import left_by_the_dead
from contracts.parallel.desk import Desk
from contracts.parallel.schedule import Schedule
from contracts.parallel.share import Kit, Told, kit
from contracts.plan import Plan
from contracts.run import ContractRun
from contracts.session import Obstacle

DESK, OBSTACLE, TOLD = "cdp_desk", "cdp_obstacle", "cdp_told"
_TEST = "::test_cell["


class Distribution:
    """The plugin of the process that keeps the run together. `open_target` is entered once, when the run starts."""

    def __init__(
        self,
        plan: Plan,
        open_target: Callable[[], AbstractContextManager[Target]],
        runs: Path,
        processes: int,
        depth: Depth,
    ) -> None:
        self.plan = plan
        self.depth = depth
        self.run: ContractRun | None = None
        self.obstacle = ""
        self.interrupted = False
        self._open_target = open_target
        self._runs = runs
        self._processes = processes
        self._cells = {cell.address: cell for cell in plan.cells}
        self._stack = ExitStack()
        self._desk = Desk(self._kit)
        self._places: dict[str, int] = {}

    def cell_of(self, nodeid: str) -> Cell | None:
        """The cell of a test; None for any other test."""
        return self._cells.get(nodeid.partition(_TEST)[2].removesuffix("]"))

    def start(self, nodeids: Sequence[str]) -> None:
        """Start a run of what was collected. Ends the session when it cannot start."""
        chosen = {cell for nodeid in nodeids if (cell := self.cell_of(nodeid)) is not None}
        if not chosen:
            return
        try:
            target = self._stack.enter_context(self._open_target())
            examples = examples_for(self.depth.examples, target.name)
        except (TargetError, ExamplesError) as error:
            pytest.exit(str(error), pytest.ExitCode.USAGE_ERROR)
        plan = self.plan.only(chosen)
        directory = run_directory(self._runs, target.name)
        self.run = ContractRun(plan, target, directory, self.depth.budget, examples, processes=self._processes)
        try:
            self.run.start()
        except OutOfTime:
            pytest.exit("the budget ended before anything was judged", NOT_JUDGED)
        except Obstacle as error:
            self.obstacle = str(error)
            pytest.exit(self.obstacle, NOT_JUDGED)

    def _kit(self, place: int, share: int) -> Kit:
        assert self.run is not None
        return kit(self.run, place, share)

    # --- hooks of pytest-xdist and pytest ----------------------------------------------------------------------------

    def pytest_configure_node(self, node: WorkerController) -> None:
        taken = set(self._places.values())
        place = next(place for place in range(len(taken) + 1) if place not in taken)
        self._places[node.gateway.id] = place
        node.workerinput[DESK] = self._desk.address(place)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> CellScheduling:
        return CellScheduling(self, config, log)

    def pytest_runtest_logreport(self, report: Any) -> None:
        record = getattr(report, TOLD, None)
        if record is not None and self.run is not None:
            told = Told.of_record(record)
            self.run.take(told.cell.operation, told.asked, told.share, told.beside)

    def pytest_testnodedown(self, node: WorkerController, error: object | None) -> None:
        self._places.pop(node.gateway.id, None)
        obstacle = getattr(node, "workeroutput", {}).get(OBSTACLE, "")
        if obstacle and not self.obstacle:
            self.obstacle = obstacle
        if error == "keyboard-interrupt":
            self.interrupted = True
        if self.obstacle or self.interrupted:
            self._desk.stop()

    def finish(self, session: pytest.Session) -> None:
        """Clean up and write the footer. The processes have to have ended: nobody may write any more."""
        self._desk.close()
        if self.run is not None:
            stopped = session.exitstatus == pytest.ExitCode.INTERRUPTED and not self.obstacle
            self.run.finish(interrupted=stopped, obstacle=self.obstacle)
        self._stack.close()


class CellScheduling(LoadScopeScheduling):
    """Hands out units of cells, and other tests file by file.

    A process of pytest-xdist runs its last test only once it knows the next one. Until then it keeps its claims; so
    nobody is left without a next unit because of a claim, unless another process is known to be at work.
    """

    def __init__(self, distribution: Distribution, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._distribution = distribution
        self._schedule: Schedule | None = None

    def _split_scope(self, nodeid: str) -> str:
        cell = self._distribution.cell_of(nodeid)
        if cell is None or self._schedule is None:
            return nodeid.partition("::")[0]
        return self._schedule.unit_of(cell)

    def schedule(self) -> None:
        if self.collection is None:
            self._distribution.start(next(iter(self.registered_collections.values())))
            run = self._distribution.run
            if run is not None:
                self._schedule = Schedule(run.plan.contract, run.plan.cells)
        super().schedule()
        self._reschedule_all()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        super().mark_test_complete(node, item_index, duration)
        self._reschedule_all()

    def _reschedule_all(self) -> None:
        for node in self.nodes:
            self._reschedule(node)

    def _reschedule(self, node: WorkerController) -> None:
        if node.shutting_down or node not in self.registered_collections:
            return
        if not self.workqueue:
            node.shutdown()
        elif self._pending_of(self.assigned_work[node]) < 2:
            self._assign_work_unit(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        name = self._free(node)
        if name is None and self._at_work(node):
            return
        if name is not None:
            self.workqueue.move_to_end(name, last=False)
        super()._assign_work_unit(node)

    def _free(self, node: WorkerController) -> str | None:
        """The next unit that disturbs none of those that other processes have."""
        if self._schedule is None:
            return next(iter(self.workqueue))
        footprints = self._schedule.footprints
        busy = [
            footprints[name]
            for other, workload in self.assigned_work.items()
            for name, tests in workload.items()
            if other is not node and name in footprints and not all(tests.values())
        ]
        for name in self.workqueue:
            if name not in footprints or not any(footprints[name].disturbs(other) for other in busy):
                return name
        return None

    def _at_work(self, node: WorkerController) -> bool:
        """Whether another process surely has its claims, and more than one test to go: it will be heard of."""
        return any(
            other is not node
            and self._pending_of(workload) > 1
            and any(any(tests.values()) and not all(tests.values()) for tests in workload.values())
            for other, workload in self.assigned_work.items()
        )

    def remove_node(self, node: WorkerController) -> str | None:
        """Take a process out that has ended. Of one that died, what it was at becomes ERROR, the rest waits again."""
        workload = self.assigned_work.pop(node)
        left = [nodeid for tests in workload.values() for nodeid, done in tests.items() if not done]
        lost = self._settle(left, node) if left and not self._distribution.interrupted else []
        self._reschedule_all()
        return lost[0] if lost else None

    def _settle(self, left: list[str], node: WorkerController) -> list[str]:
        """Store ERROR where it is due, and let the rest wait again; the tests that will not be run any more."""
        distribution = self._distribution
        cells = {cell: nodeid for nodeid in left if (cell := distribution.cell_of(nodeid)) is not None}
        lost, again = [nodeid for nodeid in left if nodeid not in cells.values()][:1], list[Cell]()
        if cells and distribution.run is not None:
            why = f"process {node.gateway.id} of the run died while it judged this operation"
            results, again = left_by_the_dead(distribution.run, list(cells), why)
            lost = [cells[result.cell] for result in results]
        for nodeid in [cells[cell] for cell in again]:
            self.workqueue.setdefault(self._split_scope(nodeid), {})[nodeid] = False
        for nodeid in lost[1:]:
            self.config.hook.pytest_runtest_logreport(report=_crashed(nodeid, node))
        return lost


def _crashed(nodeid: str, node: WorkerController) -> pytest.TestReport:
    """The report of a test that nobody ran: its process died before."""
    path = nodeid.partition("::")[0]
    words = f"worker {node.gateway.id!r} crashed before it ran {nodeid!r}"
    report = pytest.TestReport(nodeid, (path, None, path), {}, "failed", words, "call")
    report.node = node  # type: ignore[attr-defined]
    return report
