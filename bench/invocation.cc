// Only the devices that the guest needs for its work are given: every other one would count against
// the peer.
#include "bench/invocation.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <utility>

#include "proto/ports.h"

namespace anchorhold::bench {
namespace {

constexpr std::string_view kCommonArguments =
    "quiet tsc=reliable no_timer_check random.trust_cpu=on 8250.nr_uarts=0 i8042.noaux i8042.nokbd "
    "swiotlb=noforce cryptomgr.notests reboot=k panic=-1";

uint64_t mebibytes(uint64_t bytes) {
    return bytes >> 20;
}

}  // namespace

std::string peer_kernel_arguments() {
    return std::string(kCommonArguments) + " pci=off";
}

Invocation qemu_invocation(const std::string& program, const GuestFiles& files,
                           const GuestShape& shape, uint32_t guest_cid) {
    Invocation invocation;
    invocation.arguments = {
        program,
        "-M",
        "microvm,accel=kvm,pit=off,pic=off,rtc=off,isa-serial=off,acpi=off,x-option-roms=off,pcie="
        "off,usb=off",
        "-cpu",
        "host",
        "-smp",
        std::to_string(shape.cpus),
        "-m",
        fmt::format("{}M", mebibytes(shape.memory_bytes)),
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-kernel",
        files.kernel,
        "-initrd",
        files.initrd,
        "-append",
        peer_kernel_arguments(),
    };
    const auto add = [&invocation](const char* option, std::string value) {
        invocation.arguments.insert(invocation.arguments.end(), {option, std::move(value)});
    };
    // The guest finds the devices of microvm in this order.
    add("-drive", "if=none,id=root,format=raw,readonly=on,file=" + files.image);
    add("-device", "virtio-blk-device,drive=root");
    if (!files.disk.empty()) {
        add("-drive", "if=none,id=disk,format=raw,file=" + files.disk);
        add("-device", "virtio-blk-device,drive=disk");
    }
    add("-device", fmt::format("vhost-vsock-device,guest-cid={}", guest_cid));
    return invocation;
}

Invocation firecracker_invocation(const std::string& program, const GuestFiles& files,
                                  const GuestShape& shape, const std::string& vsock_path,
                                  const std::string& configuration_path) {
    using Json = nlohmann::ordered_json;
    // Not "is_root_device": that would put a root= of Firecracker's own on the command line.
    Json drives = Json::array({{{"drive_id", "root"},
                                {"path_on_host", files.image},
                                {"is_root_device", false},
                                {"is_read_only", true}}});
    if (!files.disk.empty()) {
        drives.push_back({{"drive_id", "disk"},
                          {"path_on_host", files.disk},
                          {"is_root_device", false},
                          {"is_read_only", false}});
    }
    const Json configuration = {
        {"boot-source",
         {{"kernel_image_path", files.kernel},
          {"initrd_path", files.initrd},
          {"boot_args", peer_kernel_arguments()}}},
        {"drives", drives},
        {"machine-config",
         {{"vcpu_count", shape.cpus}, {"mem_size_mib", mebibytes(shape.memory_bytes)}}},
        {"vsock", {{"guest_cid", proto::kGuestCid}, {"uds_path", vsock_path}}},
    };
    return {.arguments = {program, "--no-api", "--config-file", configuration_path},
            .configuration = configuration.dump(2) + "\n"};
}

Invocation cloud_hypervisor_invocation(const std::string& program, const GuestFiles& files,
                                       const GuestShape& shape, const std::string& vsock_path) {
    Invocation invocation;
    invocation.arguments = {
        program,
        "--kernel",
        files.kernel,
        "--initramfs",
        files.initrd,
        "--cmdline",
        std::string(kCommonArguments),
        "--cpus",
        fmt::format("boot={}", shape.cpus),
        "--memory",
        fmt::format("size={}M", mebibytes(shape.memory_bytes)),
        "--console",
        "off",
        "--serial",
        "off",
        "--vsock",
        fmt::format("cid={},socket={}", proto::kGuestCid, vsock_path),
        "--disk",
        "path=" + files.image + ",readonly=on",
    };
    if (!files.disk.empty()) {
        invocation.arguments.push_back("path=" + files.disk);
    }
    return invocation;
}

}  // namespace anchorhold::bench
