// Wires variants, series and report together.
#include "bench/measure.h"

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/event_loop.h"
#include "base/sys.h"
#include "bench/sandbox_variant.h"
#include "supervisor/disk.h"

namespace anchorhold::bench {
namespace {

// A folder of our own below $TMPDIR, removed with all that is in it.
class TemporaryFolder {
  public:
    static Result<TemporaryFolder> make() {
        const char* base = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
        std::string path =
            std::string(base != nullptr ? base : "/tmp") + "/anchorhold-bench.XXXXXX";
        if (::mkdtemp(path.data()) == nullptr) {
            return fail_errno("mkdtemp", path);
        }
        return TemporaryFolder(std::move(path));
    }
    TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TemporaryFolder& operator=(TemporaryFolder&&) = delete;
    ~TemporaryFolder() {
        if (!path_.empty()) {
            std::error_code ignored;
            std::filesystem::remove_all(path_, ignored);
        }
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

Result<uint64_t> size_of(const std::string& path) {
    const OwnFd file = ANCHORHOLD_TRY(sys::open(path, O_RDONLY));
    return sys::file_size(file.get(), path);
}

Result<Work> describe(const MeasureRequest& request, const GuestFiles& files) {
    Work work;
    work.image = request.sandbox.image;
    work.kernel_bytes = ANCHORHOLD_TRY(size_of(files.kernel));
    work.initrd_bytes = ANCHORHOLD_TRY(size_of(files.initrd));
    work.image_bytes = ANCHORHOLD_TRY(size_of(files.image));
    work.cpus = request.sandbox.cpus;
    work.memory_bytes = request.sandbox.memory_bytes;
    work.disk_bytes = request.sandbox.disk_bytes;
    work.command = request.command;
    work.tick_phases =
        request.tick_phases == SeriesOptions::TickPhases::kShifted ? "shifted" : "as they come";
    return work;
}

proto::ExecStart exec_start(const std::vector<std::string>& command) {
    proto::ExecStart start;
    for (const std::string& word : command) {
        start.add_argv(word);
    }
    start.set_no_stdin(true);
    return start;
}

}  // namespace

Result<Report> measure(const supervisor::Installation& installation,
                       const MeasureRequest& request) {
    const supervisor::SandboxSpec& sandbox = request.sandbox;
    const GuestFiles files{.kernel = sandbox.kernel.empty() ? installation.kernel : sandbox.kernel,
                           .initrd = installation.initrd,
                           .image = installation.image_path(sandbox.image),
                           .disk = {}};
    Report report;
    report.environment = look_around("/", request.version);
    report.environment.clock = request.clock;
    report.work = ANCHORHOLD_TRY(describe(request, files));

    const TemporaryFolder folder = ANCHORHOLD_TRY(TemporaryFolder::make());
    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    std::vector<std::unique_ptr<Variant>> variants;
    variants.push_back(
        std::make_unique<SandboxVariant>(*loop, installation, sandbox, request.version));
    const PeerSurroundings surroundings{
        .files = files,
        .shape = {.cpus = sandbox.cpus, .memory_bytes = sandbox.memory_bytes},
        .disk = {sandbox.disk_bytes, supervisor::default_disk_folder(), installation.disk_template},
        .folder = folder.path()};
    for (const PeerRequest& peer : request.peers) {
        variants.push_back(ANCHORHOLD_TRY(make_peer(*loop, peer, surroundings)));
    }
    SeriesOptions options;
    options.count = request.count;
    options.tick_phases = request.tick_phases;
    options.command = exec_start(request.command);
    options.on_progress = request.on_progress;
    report.variants = ANCHORHOLD_TRY(run_series(*loop, variants, options));
    return report;
}

}  // namespace anchorhold::bench
