// One recipe a kind; the rest is foreign_vmm.
#include "bench/peer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "bench/foreign_vmm.h"
#include "bench/guest_link.h"

namespace anchorhold::bench {
namespace {

using Kind = PeerRequest::Kind;

constexpr const char* kDebianQemu = "/usr/bin/qemu-system-x86_64";

// CIDs are the whole host's: far from those that people give by hand, and another one for each
// bench that runs.
constexpr uint32_t kFirstGuestCid = 0x4000'0000;

struct KindName {
    Kind kind;
    std::string_view name;
};
constexpr std::array<KindName, 3> kKinds = {{{Kind::kQemu, "qemu"},
                                             {Kind::kFirecracker, "firecracker"},
                                             {Kind::kCloudHypervisor, "cloud-hypervisor"}}};

std::string_view name_of(Kind kind) {
    return kKinds[static_cast<size_t>(kind)].name;
}

// The first line of "<program> --version".
Result<std::string> version_of(const std::string& program) {
    constexpr size_t kLongest = 4096;
    sys::Pipe output = ANCHORHOLD_TRY(sys::pipe());
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    SpawnRequest request;
    request.path = program;
    request.arguments = {program, "--version"};
    request.descriptors = {{nothing.get(), 0}, {output.write_end.get(), 1}, {nothing.get(), 2}};
    Child child = ANCHORHOLD_TRY(spawn(request));
    output.write_end.reset();
    std::string text;
    std::array<std::byte, 512> buffer{};
    while (text.size() < kLongest) {
        const auto count = ANCHORHOLD_TRY(sys::read_some(output.read_end.get(), buffer));
        if (count.value_or(0) == 0) {
            break;
        }
        text.append(reinterpret_cast<const char*>(buffer.data()), *count);
    }
    output.read_end.reset();
    const ExitStatus status = ANCHORHOLD_TRY(child.wait());
    if (status.code != 0 || status.signal != 0) {
        return fail(fmt::format("{} --version failed; is it a VMM for this host?", program));
    }
    return log::escaped(std::string_view(text).substr(0, text.find('\n')), 200);
}

Invocation invocation_of(const PeerRequest& request, const PeerSurroundings& at, uint32_t guest_cid,
                         const std::string& vsock_path, const std::string& configuration_path) {
    GuestFiles files = at.files;
    if (!request.kernel.empty()) {
        files.kernel = request.kernel;
    }
    files.disk = at.disk.bytes != 0 ? kDiskPath : "";
    switch (request.kind) {
        case Kind::kQemu:
            return qemu_invocation(request.program, files, at.shape, guest_cid);
        case Kind::kFirecracker:
            return firecracker_invocation(request.program, files, at.shape, vsock_path,
                                          configuration_path);
        case Kind::kCloudHypervisor:
            break;
    }
    return cloud_hypervisor_invocation(request.program, files, at.shape, vsock_path);
}

}  // namespace

Result<PeerRequest> parse_peer(std::string_view text) {
    constexpr std::string_view kKernelKey = ",kernel=";
    PeerRequest request;
    const size_t comma = text.find(kKernelKey);
    if (comma != std::string_view::npos) {
        request.kernel = text.substr(comma + kKernelKey.size());
        text = text.substr(0, comma);
    }
    const size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    request.program = equals == std::string_view::npos ? "" : std::string(text.substr(equals + 1));
    std::optional<Kind> kind;
    for (const KindName& candidate : kKinds) {
        if (candidate.name == name) {
            kind = candidate.kind;
        }
    }
    if (!kind) {
        return fail(
            fmt::format("--peer '{}': there is no such peer; write qemu, firecracker=PATH or "
                        "cloud-hypervisor=PATH,kernel=FILE",
                        text));
    }
    request.kind = *kind;
    if (request.program.empty() && request.kind == Kind::kQemu &&
        equals == std::string_view::npos) {
        request.program = kDebianQemu;
    }
    if (!request.program.starts_with('/')) {
        return fail(
            fmt::format("--peer '{}': where is it? write {}=/path/to/{}", text, name, name));
    }
    if (request.kind == Kind::kCloudHypervisor && request.kernel.empty()) {
        return fail(
            fmt::format("--peer '{}': its devices are on PCI, which our guest kernel has not; name "
                        "a kernel that "
                        "has virtio-pci: {},kernel=FILE",
                        text, text));
    }
    return request;
}

Result<std::unique_ptr<Variant>> make_peer(EventLoop& loop, const PeerRequest& request,
                                           const PeerSurroundings& surroundings) {
    const std::string name(name_of(request.kind));
    const uint32_t guest_cid = kFirstGuestCid + static_cast<uint32_t>(::getpid());
    const std::string vsock_path = surroundings.folder + "/" + name + ".vsock";
    ForeignVmmSettings settings;
    settings.configuration_path = surroundings.folder + "/" + name + ".json";
    Invocation invocation =
        invocation_of(request, surroundings, guest_cid, vsock_path, settings.configuration_path);
    settings.description = {.name = name,
                            .version = ANCHORHOLD_TRY(version_of(request.program)),
                            .command_line = std::move(invocation.arguments),
                            .configuration = std::move(invocation.configuration)};
    settings.link =
        request.kind == Kind::kQemu ? make_vsock_link(guest_cid) : make_unix_link(vsock_path);
    settings.disk = surroundings.disk;
    settings.memory_bytes = surroundings.shape.memory_bytes;
    return std::make_unique<ForeignVmm>(loop, std::move(settings));
}

}  // namespace anchorhold::bench
