// booting -> caches dropped -> warming -> frozen -> squeezed -> written -> restored and probed,
// twice -> published.
//
// Caches are dropped before the warming and not after it: what the warming read is what later
// commands read, and clean cache pages of a template are shared by all that is restored from it.
#include "supervisor/templates/template_builder.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "base/log.h"
#include "base/sys.h"
#include "snapshot/memory_digests.h"
#include "snapshot/working_set.h"
#include "supervisor/audit/digest_beside.h"
#include "supervisor/audit/file_digest.h"
#include "supervisor/disk.h"
#include "supervisor/templates/template_form.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

// What the guest keeps free while it is squeezed: init and the kernel go on meanwhile.
constexpr uint64_t kLeftFree = uint64_t{6} << 20;
// What is taken beyond what the guest has touched and freed: it does not give away exactly that.
constexpr uint64_t kBeyondTouched = uint64_t{16} << 20;
constexpr Duration kLook = 20ms;
constexpr int kIdleLooks = 50;  // a balloon that has not moved for a second has what it gets

std::string now_text() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string command_text(const proto::ExecStart& start) {
    std::string text;
    for (const std::string& argument : start.argv()) {
        text += (text.empty() ? "" : " ") + log::escaped(argument, 200);
    }
    return text;
}

// Nothing where a command ended well.
std::optional<std::string> failure_of(const exec::Outcome& outcome) {
    if (const auto* lost = std::get_if<exec::Lost>(&outcome)) {
        return "its stream was lost: " + log::escaped(lost->message, 300);
    }
    if (const auto* refused = std::get_if<exec::Refused>(&outcome)) {
        return log::escaped(refused->message, 300);
    }
    const auto& exited = std::get<exec::Exited>(outcome);
    if (exited.signal != 0) {
        return fmt::format("it was killed by signal {}", exited.signal);
    }
    return exited.code == 0 ? std::nullopt
                            : std::optional(fmt::format("it ended with status {}", exited.code));
}

}  // namespace

TemplateBuilder::TemplateBuilder(EventLoop& loop, const Installation& installation,
                                 TemplateRequest request, NewTemplate made, Handlers handlers)
    : loop_(loop),
      installation_(installation),
      request_(std::move(request)),
      made_(std::move(made)),
      handlers_(std::move(handlers)) {}

TemplateBuilder::~TemplateBuilder() {
    loop_.cancel_timer(timer_);
    client_.reset();
}

Result<std::unique_ptr<TemplateBuilder>> TemplateBuilder::start(EventLoop& loop,
                                                                const Installation& installation,
                                                                const TemplateStore& store,
                                                                TemplateRequest request,
                                                                Handlers handlers) {
    NewTemplate made = ANCHORHOLD_TRY(store.begin(request.name));
    std::unique_ptr<TemplateBuilder> builder(new TemplateBuilder(
        loop, installation, std::move(request), std::move(made), std::move(handlers)));
    ANCHORHOLD_TRY(builder->boot());
    return builder;
}

Status TemplateBuilder::boot() {
    step("booting " + request_.sandbox.image);
    manifest_.name = request_.name;
    ANCHORHOLD_TRY(
        check_digests_beside(installation_.boot_files(request_.sandbox), request_.digest_cache));
    manifest_.image = installation_.image_path(request_.sandbox.image);
    manifest_.image_digest = ANCHORHOLD_TRY(file_digest(manifest_.image, request_.digest_cache));
    manifest_.shape = {request_.sandbox.cpus, request_.sandbox.memory_bytes,
                       request_.sandbox.disk_bytes != 0 ? 2U : 1U};
    manifest_.disk_bytes = request_.sandbox.disk_bytes;
    manifest_.created = now_text();
    manifest_.authority = request_.authority;
    for (const proto::ExecStart& start : request_.warm) {
        manifest_.warm.push_back(command_text(start));
    }
    // Whatever it is for, the first command of a sandbox should find its program in the cache.
    if (request_.warm.empty()) {
        request_.warm.push_back(request_.probe);
    }
    SandboxParts parts;
    parts.set_up = request_.set_up;
    sandbox_ = ANCHORHOLD_TRY(
        Sandbox::start(loop_, installation_, request_.sandbox, std::move(parts),
                       {.on_ready = [this] { clear_caches(); },
                        .on_end = [this](const std::string& error) { sandbox_ended(error); },
                        .on_console = nullptr}));
    return {};
}

void TemplateBuilder::clear_caches() {
    proto::ControlRequest request;
    request.mutable_freeze()->set_drop_caches(true);
    control(request, [this](const proto::ControlAnswer&) {
        control(thaw(), [this](const proto::ControlAnswer&) { warm_next(); });
    });
}

void TemplateBuilder::warm_next() {
    if (warmed_ == request_.warm.size()) {
        freeze();
        return;
    }
    const proto::ExecStart& start = request_.warm[warmed_++];
    step("warming: " + command_text(start));
    run_command(start, [this, &start](const exec::Outcome& outcome) {
        if (const auto why = failure_of(outcome)) {
            fail_with(
                {fmt::format("the warming command '{}' failed: {}", command_text(start), *why)});
        } else {
            warm_next();
        }
    });
}

void TemplateBuilder::freeze() {
    step("freezing");
    proto::ControlRequest request;
    request.mutable_freeze()->set_close_streams(true);
    control(request, [this](const proto::ControlAnswer& answer) { squeeze(answer.free_bytes()); });
}

// The balloon takes what is free and gives it back at once: what the guest's kernel has on its free
// lists is then a hole, whatever it once held. What the guest never touched is one already, and the
// kernel gives away what it has used first.
void TemplateBuilder::squeeze(uint64_t free_bytes) {
    step("giving free memory back");
    check(sandbox_->request_statistics([this, free_bytes](const proto::Statistics& statistics) {
        const uint64_t memory = request_.sandbox.memory_bytes;
        const uint64_t free = std::min(free_bytes, memory);
        const uint64_t used = memory - free;
        const uint64_t touched = std::clamp(statistics.memory_bytes(), used, memory) - used;
        const uint64_t most = free > kLeftFree ? free - kLeftFree : 0;
        const uint64_t target =
            std::min(most, touched + touched / 4 + kBeyondTouched) & ~uint64_t{4095};
        check(sandbox_->set_balloon(target));
        watch_balloon(target, 0, 0);
    }));
}

void TemplateBuilder::watch_balloon(uint64_t target, uint64_t last, int idle_looks) {
    check(sandbox_->request_statistics([this, target, last,
                                        idle_looks](const proto::Statistics& statistics) {
        const uint64_t held = statistics.balloon_bytes();
        const int idle = held == last ? idle_looks + 1 : 0;
        if (held == 0 && target == 0) {
            pause_source();
            return;
        }
        const bool settled = held >= target || idle >= kIdleLooks;
        if (target != 0 && settled) {
            check(sandbox_->set_balloon(0));
        }
        const uint64_t next = target != 0 && settled ? 0 : target;
        timer_ =
            loop_.add_timer(kLook, [this, next, held, idle] { watch_balloon(next, held, idle); });
    }));
}

void TemplateBuilder::pause_source() {
    step("writing memory down");
    check(sandbox_->pause([this](const Result<proto::VmmEvent>& event) {
        check(event ? write_down() : Status(tl::unexpected(event.error())));
    }));
}

Status TemplateBuilder::write_down() {
    state_ = ANCHORHOLD_TRY(made_.create(template_file::kState));
    memory_ = ANCHORHOLD_TRY(made_.create(template_file::kMemory, request_.sandbox.memory_bytes));
    return sandbox_->snapshot(
        state_.get(), memory_.get(),
        [this](const Result<proto::VmmEvent>& event) { source_written(event); });
}

void TemplateBuilder::source_written(const Result<proto::VmmEvent>& event) {
    if (!event) {
        fail_with(event.error());
        return;
    }
    manifest_.memory_stored = event->snapshotted().stored_bytes();
    const auto copy = [this]() -> Status {
        if (sandbox_->disk() < 0) {
            return {};
        }
        const OwnFd disk = ANCHORHOLD_TRY(made_.create(template_file::kDisk));
        ANCHORHOLD_TRY(copy_disk(sandbox_->disk(), disk.get()));
        manifest_.disk_digest = ANCHORHOLD_TRY(disk_digest(disk.get()));
        return {};
    };
    check(copy());
    after_end_ = [this] { check(restore_once()); };
    sandbox_->destroy();
}

Status TemplateBuilder::restore_once() {
    step(working_set_ ? "restoring it once more" : "restoring it");
    probed_ = false;
    SnapshotFiles& files = opened_.files;
    files.shape = manifest_.shape;
    files.image = manifest_.image;
    files.image_file = ANCHORHOLD_TRY(sys::open(manifest_.image, O_RDONLY));
    files.state = ANCHORHOLD_TRY(sys::open(made_.path(template_file::kState), O_RDONLY));
    files.memory = ANCHORHOLD_TRY(sys::open(made_.path(template_file::kMemory), O_RDONLY));
    if (manifest_.shape.disks > 1) {
        files.disk = ANCHORHOLD_TRY(sys::open(made_.path(template_file::kDisk), O_RDONLY));
    }
    GuestIdentity identity = ANCHORHOLD_TRY(fresh_identity(""));
    sandbox_ = ANCHORHOLD_TRY(
        Sandbox::restore(loop_, installation_,
                         {.start = RestoreRequest::Start::kRun,
                          .files = files,
                          .identity = std::move(identity),
                          .shell = nullptr},
                         {},
                         {.on_ready = [this] { probe(); },
                          .on_end = [this](const std::string& error) { sandbox_ended(error); },
                          .on_console = nullptr}));
    return {};
}

void TemplateBuilder::probe() {
    run_command(
        request_.probe, [this](const exec::Outcome& outcome) { probe_ended(outcome); },
        [this] { probe_answered(); });
}

// What a command uses until it answers is what somebody waits for; its end is nobody's hurry.
void TemplateBuilder::probe_answered() {
    if (std::exchange(probed_, true)) {
        return;
    }
    check(sandbox_->pause([this](const Result<proto::VmmEvent>& event) {
        check(event ? record_working_set() : Status(tl::unexpected(event.error())));
    }));
}

void TemplateBuilder::probe_ended(const exec::Outcome& outcome) {
    if (probed_) {
        return;
    }
    if (const auto why = failure_of(outcome)) {
        // When the VMM is why, its own word follows in a moment and says more.
        timer_ = loop_.add_timer(2s, [this, why = *why] {
            fail_with({fmt::format("a sandbox restored from it could not run '{}': {}",
                                   command_text(request_.probe), why)});
        });
        return;
    }
    probe_answered();
}

Status TemplateBuilder::record_working_set() {
    observed_ = ANCHORHOLD_TRY(sys::memfd("working-set", 0));
    return sandbox_->record_working_set(
        observed_.get(), [this](const Result<proto::VmmEvent>& event) {
            check(event ? take_working_set() : Status(tl::unexpected(event.error())));
        });
}

// Twice: what only one of two equal starts wrote is chance, and would cost every later start a
// page.
Status TemplateBuilder::take_working_set() {
    const uint64_t pages = manifest_.shape.memory_bytes / snapshot::kPageBytes;
    snapshot::WorkingSet set = ANCHORHOLD_TRY(snapshot::read_working_set(observed_.get(), pages));
    const bool again = !working_set_;
    if (!again) {
        set.written = snapshot::common_pages(set.written, working_set_->written);
        set.read = snapshot::common_pages(set.read, working_set_->read);
    }
    working_set_ = std::move(set);
    after_end_ = [this, again] { check(again ? restore_once() : finish()); };
    sandbox_->destroy();
    return {};
}

Status TemplateBuilder::finish() {
    const OwnFd set = ANCHORHOLD_TRY(made_.create(template_file::kWorkingSet));
    ANCHORHOLD_TRY(sys::write_all(
        set.get(), std::string_view(snapshot::seal(
                       *working_set_, manifest_.shape.memory_bytes / snapshot::kPageBytes))));
    manifest_.working_set = snapshot::count_pages(working_set_->written);
    const auto digests = ANCHORHOLD_TRY(snapshot::compute_digests(memory_.get()));
    const OwnFd table = ANCHORHOLD_TRY(made_.create(template_file::kDigests));
    ANCHORHOLD_TRY(sys::write_all(table.get(), std::string_view(snapshot::seal(digests))));
    if (request_.form == MemoryForm::kCompressed) {
        step("compressing memory");
        ANCHORHOLD_TRY(compress(installation_, made_, manifest_));
    }
    const OwnFd manifest = ANCHORHOLD_TRY(made_.create(template_file::kManifest));
    ANCHORHOLD_TRY(sys::write_all(manifest.get(), std::string_view(to_json(manifest_))));
    ANCHORHOLD_TRY(made_.publish());
    done_ = true;
    handlers_.on_done(manifest_);
    return {};
}

void TemplateBuilder::run_command(const proto::ExecStart& start,
                                  std::function<void(const exec::Outcome&)> on_end,
                                  std::function<void()> on_first_byte) {
    auto stream = sandbox_->open_exec_stream();
    if (!stream) {
        fail_with(stream.error());
        return;
    }
    exec::ClientHooks hooks;
    hooks.first_byte = std::move(on_first_byte);
    client_ = std::make_unique<exec::ExecClient>(
        loop_, std::move(*stream), start, request_.output,
        [this, on_end = std::move(on_end)](const exec::Outcome& outcome) {
            const exec::Outcome ended = outcome;
            const auto then = on_end;
            client_.reset();
            then(ended);
        },
        std::move(hooks));
}

void TemplateBuilder::control(const proto::ControlRequest& request,
                              std::function<void(const proto::ControlAnswer&)> then) {
    check(sandbox_->control(
        request, [this, then = std::move(then)](const Result<proto::ControlAnswer>& answer) {
            if (answer) {
                then(*answer);
            } else {
                fail_with(answer.error());
            }
        }));
}

void TemplateBuilder::check(const Status& status) {
    if (!status) {
        fail_with(status.error());
    }
}

void TemplateBuilder::fail_with(Error error) {
    if (std::exchange(done_, true)) {
        return;
    }
    loop_.cancel_timer(timer_);
    handlers_.on_done(tl::unexpected(std::move(error).within("template " + request_.name)));
}

void TemplateBuilder::sandbox_ended(const std::string& error) {
    loop_.cancel_timer(timer_);
    if (done_) {
        return;
    }
    if (!after_end_) {
        fail_with({error.empty() ? "the sandbox ended" : error});
        return;
    }
    // This is called from inside the sandbox, which its successor is to replace.
    loop_.post([this, next = std::exchange(after_end_, nullptr)] {
        sandbox_.reset();
        next();
    });
}

void TemplateBuilder::step(const std::string& what) {
    if (handlers_.on_step) {
        handlers_.on_step(what);
    }
}

}  // namespace anchorhold::supervisor
