// Wires variants, series and report together.
#include "bench/measure.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "base/event_loop.h"
#include "base/sys.h"
#include "bench/crowd.h"
#include "bench/forked_variant.h"
#include "bench/restored_variant.h"
#include "bench/sandbox_variant.h"
#include "bench/warm_template.h"
#include "supervisor/disk.h"

namespace anchorhold::bench {
namespace {

using namespace std::chrono_literals;

constexpr Duration kVirtualPatience = 3s;

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

// Cold starts are of the machine that the template is of.
void take_shape(supervisor::SandboxSpec& sandbox, const supervisor::TemplateManifest& manifest) {
    sandbox.image = manifest.image;
    sandbox.cpus = manifest.shape.cpus;
    sandbox.memory_bytes = manifest.shape.memory_bytes;
    sandbox.disk_bytes = manifest.disk_bytes;
}

bool needs_template(const MeasureRequest& request) {
    return !request.idle.empty() ||
           std::any_of(request.starts.begin(), request.starts.end(),
                       [](StartKind kind) { return kind != StartKind::kCold; });
}

Result<supervisor::OpenTemplate> find_template(EventLoop& loop,
                                               const supervisor::Installation& installation,
                                               const MeasureRequest& request,
                                               const std::string& folder) {
    if (!request.from.empty()) {
        return open_warm_template(request.from);
    }
    return make_warm_template(loop, installation,
                              {.sandbox = request.sandbox,
                               .warm = request.warm,
                               .command = exec_start(request.command),
                               .folder = folder + "/templates",
                               .on_step = request.on_step});
}

using MakeVariant = std::function<std::unique_ptr<Variant>(StartKind)>;

Status measure_crowds(EventLoop& loop, const MeasureRequest& request, const MakeVariant& make,
                      Report& report) {
    CrowdRequest crowd;
    crowd.command = exec_start(request.command);
    const auto say = [&request](const std::string& what) {
        if (request.on_progress) {
            request.on_progress(0, 1, what);
        }
    };
    for (const StartKind kind : request.starts) {
        crowd.make = [&make, kind] { return make(kind); };
        for (const uint32_t count : request.rushes) {
            say(fmt::format("{} {} at once", count, word(kind)));
            crowd.count = count;
            report.rushes.push_back(ANCHORHOLD_TRY(start_at_once(loop, crowd)));
        }
    }
    crowd.make = [&make] { return make(StartKind::kRestored); };
    for (const uint32_t count : request.idle) {
        crowd.count = count;
        crowd.on_progress = [&say, count](uint32_t done) {
            say(fmt::format("{} of {} idle ones", done, count));
        };
        report.idle.push_back(ANCHORHOLD_TRY(keep_idle(loop, crowd)));
    }
    return {};
}

}  // namespace

Result<Report> measure(const supervisor::Installation& installation, MeasureRequest request) {
    const TemporaryFolder folder = ANCHORHOLD_TRY(TemporaryFolder::make());
    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    std::optional<supervisor::OpenTemplate> from;
    if (needs_template(request)) {
        from = ANCHORHOLD_TRY(find_template(*loop, installation, request, folder.path()));
        take_shape(request.sandbox, from->manifest);
    }
    const supervisor::SandboxSpec& sandbox = request.sandbox;
    const GuestFiles files{.kernel = sandbox.kernel.empty() ? installation.kernel : sandbox.kernel,
                           .initrd = installation.initrd,
                           .image = installation.image_path(sandbox.image),
                           .disk = {}};
    Report report;
    report.environment = look_around("/", request.version);
    report.environment.clock = request.clock;
    report.work = ANCHORHOLD_TRY(describe(request, files));

    const auto make = [&](StartKind kind) -> std::unique_ptr<Variant> {
        if (kind == StartKind::kCold) {
            return std::make_unique<SandboxVariant>(*loop, installation, sandbox, request.version);
        }
        if (kind == StartKind::kForked) {
            return std::make_unique<ForkedVariant>(*loop, installation, *from, request.version);
        }
        return std::make_unique<RestoredVariant>(*loop, installation, *from, kind,
                                                 request.memory_backend, request.version);
    };
    std::vector<std::unique_ptr<Variant>> variants;
    for (const StartKind kind : request.starts) {
        variants.push_back(make(kind));
    }
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
    if (request.clock == kVirtualClock) {
        // The emulated processor loses a guest in some thousands of starts (docs/decisions/0004); a
        // host that counts instructions would watch it spin for hours.
        options.patience = kVirtualPatience;
        options.late_allowed = 1;
    }
    report.variants = ANCHORHOLD_TRY(run_series(*loop, variants, options));
    variants.clear();
    ANCHORHOLD_TRY(measure_crowds(*loop, request, make, report));
    return report;
}

}  // namespace anchorhold::bench
