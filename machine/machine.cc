// Find, else lock and start: concurrent callers end up at one machine.
#include "machine/machine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/spawn.h"
#include "base/sys.h"
#include "machine/control_client.h"
#include "machine/qemu_command.h"
#include "machine/runtime_folder.h"

namespace anchorhold::machine {
namespace {

constexpr int kMuxDescriptor = 3;
constexpr uint32_t kDefaultMemory = 8192;
constexpr size_t kBuildIdInName = 16;
// A machine may end between being found and being asked; each time there is a reason to look again.
constexpr int kAttempts = 4;

const char* name_of(Flavour flavour) {
    return flavour == Flavour::kNormal ? "normal" : "bench";
}

Result<std::string> read_build_id(const std::string& folder) {
    auto text = sys::read_file(folder + "/tree/etc/anchorhold-build-id", 256);
    if (!text) {
        return fail("the emulated host is not laid out in " + folder + " (" + text.error().message +
                    "); run tools/dev setup");
    }
    text->resize(std::min(text->find('\n'), text->size()));
    const bool plain = std::all_of(text->begin(), text->end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    if (text->empty() || !plain) {
        return fail(folder +
                    "/tree/etc/anchorhold-build-id is not a hexadecimal id; run tools/dev setup");
    }
    return *text;
}

uint32_t default_memory() {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page = ::sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0) {
        return kDefaultMemory;
    }
    const uint64_t mib = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page) / (1 << 20);
    return static_cast<uint32_t>(std::min<uint64_t>(kDefaultMemory, mib * 3 / 4));
}

// On a disk, unlike the runtime folder: shared files may have to be copied into it.
std::string cache_folder() {
    const char* cache = std::getenv("XDG_CACHE_HOME");  // NOLINT(concurrency-mt-unsafe)
    if (cache != nullptr && cache[0] == '/') {
        return cache;
    }
    const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
    return home != nullptr && home[0] == '/' ? std::string(home) + "/.cache" : "/var/cache";
}

// A new one for every machine, so that machines of different runtime folders keep apart. The link
// in the machine's folder leads to it, also when the relay was killed.
Result<std::string> make_share(const MachineFolder& machine) {
    for (const std::string& folder : {cache_folder(), cache_folder() + "/anchorhold"}) {
        if (::mkdir(folder.c_str(), 0700) < 0 && errno != EEXIST) {
            return fail_errno("mkdir", folder);
        }
    }
    std::string path = cache_folder() + "/anchorhold/share-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return fail_errno("mkdtemp", path);
    }
    const std::string link = machine.path() + "/" + kShareLink;
    ::unlink(link.c_str());
    if (::symlink(path.c_str(), link.c_str()) < 0) {
        return fail_errno("symlink", link);
    }
    return path;
}

void remove_share(const std::string& machine) {
    std::error_code failed;
    const auto share = std::filesystem::read_symlink(machine + "/" + kShareLink, failed);
    if (!failed) {
        remove_tree(share.string());
    }
}

// What one attempt needs.
struct Wanted {
    const MachineOptions& options;
    std::string build_id;
    std::string name;  // of the machine's folder
};

Result<proto::RelaySetup> make_setup(const Wanted& wanted, const MachineFolder& folder) {
    const MachineOptions& options = wanted.options;
    const bool normal = options.flavour == Flavour::kNormal;
    proto::RelaySetup setup;
    setup.set_directory(folder.path());
    setup.set_share(ANCHORHOLD_TRY(make_share(folder)));
    setup.set_build_id(wanted.build_id);
    setup.set_flavour(name_of(options.flavour));
    setup.set_memory_mib(options.memory_mib != 0 ? options.memory_mib : default_memory());
    setup.set_cpus(normal ? options.cpus : 1);
    setup.set_idle_seconds(static_cast<uint32_t>(options.idle.count()));
    const auto command = ANCHORHOLD_TRY(qemu_command({.script = options.folder + "/qemu-args",
                                                      .image = options.folder + "/image",
                                                      .tree = options.folder + "/tree",
                                                      .share = setup.share(),
                                                      .console = folder.path() + "/" + kConsoleLog,
                                                      .flavour = setup.flavour(),
                                                      .memory_mib = setup.memory_mib(),
                                                      .cpus = setup.cpus(),
                                                      .mux = kMuxDescriptor}));
    for (const std::string& argument : command) {
        setup.add_qemu(argument);
    }
    return setup;
}

// The relay reads its setup, leaves our process tree and answers on the sockets, which exist before
// it does: a connection made now is served or closed, never refused.
Result<ControlClient> start_relay(const Wanted& wanted, const MachineFolder& folder) {
    const proto::RelaySetup setup = ANCHORHOLD_TRY(make_setup(wanted, folder));
    const OwnFd exec = ANCHORHOLD_TRY(folder.listen(kExecSocket));
    const OwnFd control = ANCHORHOLD_TRY(folder.listen(kControlSocket));
    ControlClient client = ANCHORHOLD_TRY(ControlClient::connect(folder));
    const OwnFd input = ANCHORHOLD_TRY(sys::memfd("relay-setup", 0));
    ANCHORHOLD_TRY(sys::write_all(input.get(), setup.SerializeAsString()));
    ::lseek(input.get(), 0, SEEK_SET);
    const OwnFd log = ANCHORHOLD_TRY(
        sys::open(folder.path() + "/" + kRelayLog, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
    SpawnRequest request;
    request.path = wanted.options.relay;
    request.arguments = {"anchorhold-machine-relay"};
    request.environment = {"LANG=C"};
    request.descriptors = {
        {input.get(), 0}, {log.get(), 1}, {log.get(), 2}, {exec.get(), 3}, {control.get(), 4}};
    Child child = ANCHORHOLD_TRY(spawn(request));
    const ExitStatus status = ANCHORHOLD_TRY(child.wait());
    if (status.code != 0 || status.signal != 0) {
        return fail(wanted.options.relay + " did not start");
    }
    return client;
}

bool nobody_listens(const Error& error) {
    return error.code == ECONNREFUSED || error.code == ENOENT;
}

proto::RelayRequest stop_request() {
    proto::RelayRequest request;
    request.mutable_stop();
    return request;
}

Result<ControlClient> reach(const std::string& path) {
    const MachineFolder folder = ANCHORHOLD_TRY(MachineFolder::open(path));
    return ControlClient::connect(folder);
}

struct Attempt {
    Machine machine;
    bool gone = false;  // it ended while we were looking: try again
};

Result<Attempt> attempt(const Wanted& wanted, const Progress& progress) {
    const Attempt again{{}, true};
    MachineFolder folder = ANCHORHOLD_TRY(MachineFolder::create(wanted.name));
    auto control = ControlClient::connect(folder);
    bool started = false;
    if (!control && nobody_listens(control.error())) {
        if (!ANCHORHOLD_TRY(folder.lock())) {
            return again;
        }
        control = ControlClient::connect(folder);
        if (!control && nobody_listens(control.error())) {
            progress("starting the emulated host");
            remove_share(folder.path());  // of a relay that was killed
            control = start_relay(wanted, folder);
            started = true;
            if (!control) {
                remove_share(folder.path());
                folder.remove();
                return tl::unexpected(control.error());
            }
        }
    }
    if (!control) {
        return tl::unexpected(control.error());
    }
    // Lets go of the lock: the relay needs it to leave.
    const std::string path = folder.path();
    { const MachineFolder released = std::move(folder); }
    proto::RelayRequest request;
    request.mutable_ready();
    const auto status = control->ask(request);
    if (!status) {
        return status.error().code == ECONNRESET ? Result<Attempt>(again)
                                                 : Result<Attempt>(tl::unexpected(status.error()));
    }
    if (status->state() == proto::RelayStatus::FAILED) {
        return fail(status->error());
    }
    if (status->state() != proto::RelayStatus::READY) {
        control->post(stop_request());
        control->wait_gone();
        return again;
    }
    return Attempt{Machine{path, *status, started}, false};
}

// Asks stale machines to leave, and does not wait for it.
void dismiss_stale(const Machine& wanted) {
    const auto machines = list();
    for (const Machine& other : machines.value_or(std::vector<Machine>())) {
        const bool stale = other.status.build_id() != wanted.status.build_id() &&
                           other.status.flavour() == wanted.status.flavour();
        if (stale && other.status.streams() == 0 &&
            other.status.state() == proto::RelayStatus::READY) {
            if (const auto control = reach(other.folder)) {
                control->post(stop_request());
            }
        }
    }
}

// Removes what a relay left that was killed.
void bury(const std::string& path) {
    auto folder = MachineFolder::open(path);
    if (!folder || !folder->lock().value_or(false)) {
        return;
    }
    const auto control = ControlClient::connect(*folder);
    if (!control && nobody_listens(control.error())) {
        remove_share(path);
        folder->remove();
    }
}

}  // namespace

Result<Machine> ensure_running(const MachineOptions& options, const Progress& progress) {
    Wanted wanted{options, ANCHORHOLD_TRY(read_build_id(options.folder)), {}};
    wanted.name =
        "machine-" + wanted.build_id.substr(0, kBuildIdInName) + "-" + name_of(options.flavour);
    for (int tried = 0; tried < kAttempts; ++tried) {
        Attempt found = ANCHORHOLD_TRY(attempt(wanted, progress));
        if (!found.gone) {
            if (found.machine.started_now) {
                dismiss_stale(found.machine);
            }
            return found.machine;
        }
    }
    return fail("the emulated host ended " + std::to_string(kAttempts) +
                " times while it was being reached; try again");
}

Result<OwnFd> connect(const Machine& machine) {
    const MachineFolder folder = ANCHORHOLD_TRY(MachineFolder::open(machine.folder));
    return folder.connect(kExecSocket);
}

std::string reason_of_end(const Machine& machine) {
    const auto control = reach(machine.folder);
    if (!control) {
        return {};
    }
    proto::RelayRequest request;
    request.mutable_status();
    auto status = control->ask(request);
    if (status && status->state() == proto::RelayStatus::STOPPING) {
        // Answered when it has ended.
        status = control->ask(stop_request());
    }
    return status ? status->error() : std::string();
}

Result<std::vector<Machine>> list() {
    std::vector<Machine> machines;
    for (const std::string& path : ANCHORHOLD_TRY(list_machine_folders())) {
        const auto control = reach(path);
        if (!control && nobody_listens(control.error())) {
            bury(path);
        }
        proto::RelayRequest request;
        request.mutable_status();
        const auto status = control ? control->ask(request)
                                    : Result<proto::RelayStatus>(fail(control.error().message));
        if (status) {
            machines.push_back(Machine{path, *status, false});
        }
    }
    return machines;
}

Status stop(const Machine& machine) {
    const auto control = reach(machine.folder);
    if (!control) {
        return nobody_listens(control.error()) ? Status() : tl::unexpected(control.error());
    }
    // The relay closes its sockets a moment before it has ended.
    const auto relay = sys::pidfd_open(static_cast<pid_t>(machine.status.relay_pid()));
    control->post(stop_request());
    control->wait_gone();
    if (relay) {
        pollfd ended{relay->get(), POLLIN, 0};
        while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
        }
    }
    return {};
}

}  // namespace anchorhold::machine
