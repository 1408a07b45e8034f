"""Why a server could not be built or changed: nova's names and sentences."""

from __future__ import annotations

from mockcloud.bus.base import RemoteError

GONE = ("InstanceNotFound", "UnexpectedTaskStateError")


def is_overtaken(error: BaseException) -> bool:
    """Somebody deleted the server or put it to something else meanwhile: the work on it stops without a word."""
    return isinstance(error, RemoteError) and error.type in GONE


class BuildAbortException(Exception):
    """No other host would do better."""

    def __init__(self, instance_uuid: str, reason: str) -> None:
        super().__init__(f"Build of instance {instance_uuid} aborted: {reason}")


class RescheduledException(Exception):
    """Another host may do better."""

    def __init__(self, instance_uuid: str, reason: str) -> None:
        super().__init__(f"Build of instance {instance_uuid} was re-scheduled: {reason}")


class Final(Exception):
    """Base of the reasons that end a build at once: they lie in the request, not in the host."""


class ComputeResourcesUnavailable(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(f"Insufficient compute resources: {reason}.")


class AnswerLost(Exception):
    """A step of the launch that must have an answer had none."""


class InstanceDeployFailure(Exception):
    """The hypervisor says that there is no running guest."""


class ImageUnavailable(Exception):
    """glance did not give the image."""


class ImageCorrupt(Exception):
    """The data does not have the checksum that glance knows."""


class ImageNotActive(Final):
    def __init__(self, image_id: str) -> None:
        super().__init__(f"Image {image_id} is not active.")


class FlavorMemoryTooSmall(Final):
    def __init__(self) -> None:
        super().__init__("Flavor's memory is too small for requested image.")


class FlavorDiskSmallerThanImage(Final):
    def __init__(self, flavor_size: int, image_size: int) -> None:
        super().__init__(
            f"Flavor's disk is too small for requested image. Flavor disk is {flavor_size} bytes, image is {image_size} bytes."
        )


class FlavorDiskSmallerThanMinDisk(Final):
    def __init__(self, flavor_size: int, image_min_disk: int) -> None:
        super().__init__(
            "Flavor's disk is smaller than the minimum size specified in image metadata. "
            f"Flavor disk is {flavor_size} bytes, minimum size is {image_min_disk} bytes."
        )


class NeutronFailed(Exception):
    """neutron is away, broken, or does not know the caller."""


class PortBindingFailed(Exception):
    def __init__(self, port_id: str) -> None:
        super().__init__(f"Binding failed for port {port_id}, please check neutron logs for more information.")


class NetworkRefused(Final):
    """neutron refuses what was asked for; its sentence, or nova's own. nova-api knows the kinds below by their names."""


class PortNotFound(NetworkRefused):
    pass


class NetworkNotFound(NetworkRefused):
    pass


class PortInUse(NetworkRefused):
    def __init__(self, port_id: str) -> None:
        super().__init__(f"Port {port_id} is still in use.")


class FixedIpAlreadyInUse(NetworkRefused):
    pass


class NoMoreFixedIps(NetworkRefused):
    pass


class PortLimitExceeded(NetworkRefused):
    pass


class NetworkAmbiguous(NetworkRefused):
    def __init__(self) -> None:
        super().__init__("More than one possible network found. Specify network ID(s) to select which one(s) to connect to.")


class VirtualInterfaceCreateException(Final):
    """neutron has not said in time that the server's interfaces are plugged."""

    def __init__(self) -> None:
        super().__init__("Failed to allocate the network(s), not rescheduling.")


class GroupAffinityViolation(Exception):
    def __init__(self, policy: str) -> None:
        super().__init__(f"{policy} instance group policy was violated")


class VolumeFailed(Exception):
    """cinder did not do its part."""


class VolumeDriverNotFound(Final):
    """The hypervisor's driver does not know how to reach such a volume."""

    def __init__(self, driver_type: str) -> None:
        super().__init__(f"Could not find a handler for {driver_type} volume.")


class ImageUnacceptable(Final):
    """The image's data must not be given to a hypervisor."""

    def __init__(self, image_id: str, reason: str) -> None:
        super().__init__(f"Image {image_id} is unacceptable: {reason}")


class DeviceDetachFailed(Exception):
    """The guest does not let go of it."""

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(f"Device detach failed for {device}: {reason}")


class InterfaceAttachFailed(Exception):
    def __init__(self, instance_uuid: str) -> None:
        super().__init__(f"Failed to attach network adapter device to {instance_uuid}")


class InterfaceDetachFailed(Exception):
    def __init__(self, instance_uuid: str) -> None:
        super().__init__(f"Failed to detach network adapter device from {instance_uuid}")


class InstancePasswordSetFailed(Exception):
    def __init__(self, instance_uuid: str, reason: str) -> None:
        super().__init__(f"Failed to set admin password on {instance_uuid} because {reason}")


class InstanceNotRescuable(Exception):
    def __init__(self, instance_uuid: str, reason: str) -> None:
        super().__init__(f"Instance {instance_uuid} cannot be rescued: {reason}")


class UnableToMigrateToSelf(Exception):
    def __init__(self, instance_uuid: str, host: str) -> None:
        super().__init__(f"Unable to migrate instance ({instance_uuid}) to current host ({host}).")
