"""Extra specs that nova knows: from 2.86 a flavor's spec in one of their namespaces must be one of them, with a fitting value."""

from __future__ import annotations

import re

from mockcloud.http.errors import BadRequest
from mockcloud.nova.values import strict_bool

CPUS = r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"
GROUP = "([a-zA-Z0-9_-]{1,64})?"
LEVELS = ("custom", "high", "normal", "low")

Choice = tuple[str, ...]

TEXTS: dict[str, Choice | str] = {  # name (a pattern) -> values to choose from, or a pattern of values
    "accel:device_profile": ".*",
    "aggregate_instance_extra_specs:.+": ".*",
    "capabilities:(id|uuid|service_id|host|vcpus|memory_mb|local_gb|vcpus_used|memory_mb_used|local_gb_used)": ".*",
    "capabilities:hypervisor_(type|version|hostname)": ".*",
    "capabilities:(free_ram_mb|free_disk_gb|current_workload|running_vms|disk_available_least|host_ip|mapped)": ".*",
    "capabilities:(cpu|ram|disk)_allocation_ratio": ".*",
    "capabilities:(total_usable_ram_mb|total_usable_disk_gb|disk_mb_used|free_disk_mb|vcpus_total|num_instances)": ".*",
    "capabilities:(num_io_ops|failed_builds|aggregates|cell_uuid|updated)": ".*",
    r"capabilities:(cpu_info|metrics|stats|numa_topology|supported_hv_specs|pci_device_pools|nodename|pci_stats)(:\w+)*": ".*",
    r"capabilities:(supported_instances|limits|instances)(:\w+)*": ".*",
    "group_policy": ("isolate", "none"),
    "hw:cpu_dedicated_mask": CPUS,
    "hw:cpu_policy": ("dedicated", "shared", "mixed"),
    "hw:cpu_realtime_mask": r"(\^)?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*",
    "hw:cpu_thread_policy": ("prefer", "isolate", "require"),
    "hw:emulator_threads_policy": ("isolate", "share"),
    "hw:ephemeral_encryption_format": ("plain", "luks", "luksv2"),
    "hw:mem_encryption_model": ("amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx"),
    "hw:mem_page_size": r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)",
    r"hw:numa_cpus\.\d+": CPUS,
    "hw:pci_numa_affinity_policy": ("required", "preferred", "legacy", "socket"),
    "hw:pmem": "([a-zA-Z0-9_]+(,)?)+",
    "hw:sound_model": ("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"),
    "hw:tpm_model": ("tpm-tis", "tpm-crb"),
    "hw:tpm_secret_security": ("user", "host", "deployment"),
    "hw:tpm_version": ("1.2", "2.0"),
    "hw:usb_model": ("none", "nec-xhci", "qemu-xhci"),
    "hw:viommu_model": ("intel", "smmuv3", "virtio", "auto"),
    "hw:watchdog_action": ("none", "pause", "poweroff", "reset", "disabled"),
    "os:secure_boot": ("disabled", "required"),
    "pci_passthrough:alias": r"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*",
    "quota:(cpu|memory|disk_io|vif)_shares_level": LEVELS,
    f"trait{GROUP}:[A-Z0-9_]+": ("required", "forbidden"),
    "vmware:(hw_version|storage_policy)": ".*",
}

RESOURCES = (
    "VCPU|MEMORY_MB|DISK_GB|PCI_DEVICE|SRIOV_NET_VF|NUMA_SOCKET|NUMA_CORE|NUMA_THREAD|NUMA_MEMORY_MB|IPV4_ADDRESS|VGPU"
    "|VGPU_DISPLAY_HEAD|NET_BW_EGR_KILOBIT_PER_SEC|NET_BW_IGR_KILOBIT_PER_SEC|PCPU|MEM_ENCRYPTION_CONTEXT|FPGA|PGPU"
    "|NET_PACKET_RATE_KILOPACKET_PER_SEC|NET_PACKET_RATE_(EGR|IGR)_KILOPACKET_PER_SEC|CUSTOM_[A-Z0-9_]+"
)

NUMBERS: dict[str, tuple[int | None, int | None]] = {  # name -> least, most
    "hw:cpu_(max_)?(sockets|cores|threads)": (1, None),
    "hw:numa_nodes": (1, None),
    r"hw:numa_mem\.\d+": (1, None),
    "hw:redirected_usb_ports": (0, 15),
    "hw:serial_port_count": (0, None),
    "hw_rng:rate_(bytes|period)": (0, None),
    "hw_video:ram_max_mb": (0, None),
    "quota:(cpu|memory|disk_io|vif)_(limit|shares_share)": (0, None),
    "quota:(cpu|memory|disk_io|vif)_reservation": (None, None),
    "quota:cpu_(shares|period)": (0, None),
    "quota:cpu_quota": (None, None),
    "quota:disk_(read|write|total)_(bytes|iops)_sec": (0, None),
    "quota:vif_(inbound|outbound)_(average|peak|burst)": (0, None),
    f"resources{GROUP}:({RESOURCES})": (None, None),
}

FLAGS = (
    "hide_hypervisor_id",
    "hw:(cpu_realtime|hide_hypervisor_id|locked_memory|boot_menu|vif_multiqueue_enabled|mem_encryption|pmu)",
    "hw:(virtio_packed_ring|ephemeral_encryption)",
    "hw_rng:allowed",
)

NAMESPACES = (
    f"accel|aggregate_instance_extra_specs|capabilities|hw|hw_rng|hw_video|os|pci_passthrough|quota|resources{GROUP}|trait{GROUP}|vmware"
)


def check_extra_spec(name: str, value: str) -> None:
    """Raises nova's 400. Names outside the known namespaces are the operator's own."""
    for pattern, choice in TEXTS.items():
        if re.fullmatch(pattern, name):
            _check_text(value, choice)
            return
    for pattern, (least, most) in NUMBERS.items():
        if re.fullmatch(pattern, name):
            _check_number(value, least, most)
            return
    if any(re.fullmatch(pattern, name) for pattern in FLAGS):
        _check_flag(value)
    elif ":" in name and re.fullmatch(NAMESPACES, name.split(":", 1)[0]):
        raise BadRequest(f"Validation failed; extra spec '{name}' does not appear to be a valid extra spec.")


def _check_text(value: str, choice: Choice | str) -> None:
    if isinstance(choice, str):
        if not re.fullmatch(choice, value):
            raise BadRequest(f"Validation failed; '{value}' is not of the format '{choice}'.")
    elif value not in choice:
        raise BadRequest(f"Validation failed; '{value}' is not one of: {', '.join(choice)}.")


def _check_number(value: str, least: int | None, most: int | None) -> None:
    try:
        number = int(value)
    except ValueError:
        raise BadRequest(f"Validation failed; '{value}' is not a valid integer value.") from None
    if most is not None and number > most:
        raise BadRequest(f"Validation failed; '{number}' is greater than the max value of '{most}'.")
    if least is not None and number < least:
        raise BadRequest(f"Validation failed; '{number}' is less than the min value of '{least}'.")


def _check_flag(value: str) -> None:
    try:
        strict_bool(value)
    except ValueError:
        raise BadRequest(f"Validation failed; '{value}' is not a valid boolean-like value.") from None
