"""The commands around a student that is there: ask, demo, doctor, info and bench."""

from __future__ import annotations

from distill3d_ros.cli.command import Command
from distill3d_ros.cli.options import AskOptions, BenchOptions, DoctorOptions, InfoOptions
from distill3d_ros.demo.demo_options import DemoOptions
from distill3d_ros.system.memory import lasting_objects


def _ask(options: AskOptions) -> int:
    with lasting_objects():
        from distill3d_ros.cli.ask import ask_image

    return ask_image(options)


def _demo(options: DemoOptions) -> int:
    from distill3d_ros.demo.demo import run_demo

    return run_demo(options)


def _doctor(options: DoctorOptions) -> int:
    from distill3d_ros.cli.doctor import run_doctor

    return run_doctor()


def _info(options: InfoOptions) -> int:
    from distill3d_ros.cli.info import print_parameters

    print_parameters(options)
    return 0


def _bench(options: BenchOptions) -> int:
    from distill3d_ros.cli.bench import run_benchmarks

    return run_benchmarks(options)


ASK = Command("answer questions about a picture", AskOptions, _ask)
DEMO = Command("drive a simulated robot through unseen rooms and ask, in ROS 2", DemoOptions, _demo)
DOCTOR = Command("check that everything the nodes need is there", DoctorOptions, _doctor)
INFO = Command("table of a student's parts and parameters", InfoOptions, _info)
BENCH = Command("measure rendering, perception, answers and the service", BenchOptions, _bench)
