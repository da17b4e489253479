"""How the Java engines are started, tuned for a small machine."""

from pathlib import Path

from regions.local.preparation import Toolchain

SMALL_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError")
"""Serial collector and first compiler only: half the boot time and half the memory, as measured."""


TRUSTED_CODE = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote")
"""Verify no bytecode: the jars are those of a checksum. Saves a ninth of Elasticsearch's start."""


def class_archive(toolchain: Toolchain, name: str) -> tuple[str, ...]:
    """Return the options that use a class-data archive, and write it at the end if it is missing or stale."""
    archive = toolchain.class_archives / f"{name}.jsa"
    return (
        "-XX:+AutoCreateSharedArchive",
        f"-XX:SharedArchiveFile={archive}",
        "-Xlog:disable",
        "-Xlog:all=error:stderr",
    )


def java_command(
    toolchain: Toolchain, main_class: str, class_path: tuple[Path, ...], heap_mib: int, *arguments: str
) -> list[str]:
    """Return the command that runs a main class; each main class has a class-data archive of its own.

    The first orderly end of a process writes the archive; every later start uses it.
    """
    return [
        str(toolchain.java_home / "bin" / "java"),
        "-Xms64m",
        f"-Xmx{heap_mib}m",
        *SMALL_JVM,
        *class_archive(toolchain, main_class),
        "--sun-misc-unsafe-memory-access=allow",  # Kafka uses it; the warning says nothing to a person
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        "-cp",
        ":".join(str(jar) for jar in class_path),
        main_class,
        *arguments,
    ]


def properties(entries: dict[str, object]) -> str:
    """Render a Java properties file."""
    return "".join(f"{key}={value}\n" for key, value in entries.items())
