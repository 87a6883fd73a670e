// A member: preparing -> starting -> answered, or failed. It stays until the crowd is dropped.
#include "bench/crowd.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "bench/process_memory.h"
#include "exec/client.h"

namespace anchorhold::bench {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPatience = 600s;  // hundreds at once, in an emulated host
// What a start used only for itself is given back within a quarter of a second.
constexpr Duration kUntilIdle = 500ms;

class Member {
  public:
    Member(EventLoop& loop, std::unique_ptr<Variant> variant, const proto::ExecStart& command)
        : loop_(loop), variant_(std::move(variant)), command_(command) {}

    Status prepare(Duration patience) { return variant_->prepare(patience); }

    void start() {
        const Status started = variant_->start(
            {[this] { run_command(); }, [this](const std::string& error) { end_with(error); }});
        if (!started) {
            end_with(started.error().message);
        }
    }

    [[nodiscard]] bool done() const { return ended_ || !error_.empty(); }
    [[nodiscard]] bool answered() const { return first_byte_ != 0 && error_.empty(); }
    [[nodiscard]] uint64_t first_byte() const { return first_byte_; }
    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] pid_t pid() const { return variant_->vmm_pid(); }
    [[nodiscard]] StartKind kind() const { return variant_->description().start; }

  private:
    void run_command() {
        auto stream = variant_->open_exec_stream();
        if (!stream) {
            end_with(stream.error().message);
            return;
        }
        exec::ClientHooks hooks;
        hooks.first_byte = [this] { first_byte_ = supervisor::monotonic_ns(); };
        client_ = std::make_unique<exec::ExecClient>(
            loop_, std::move(*stream), command_, exec::Stdio{},
            [this](const exec::Outcome& outcome) { command_ended(outcome); }, std::move(hooks));
    }

    void command_ended(const exec::Outcome& outcome) {
        if (const auto* lost = std::get_if<exec::Lost>(&outcome)) {
            end_with("the command's stream was lost: " + log::escaped(lost->message));
        } else if (const auto* refused = std::get_if<exec::Refused>(&outcome)) {
            end_with(log::escaped(refused->message));
        } else if (first_byte_ == 0) {
            end_with("the command printed nothing");
        }
        ended_ = true;
        loop_.post([held = std::shared_ptr<exec::ExecClient>(std::move(client_))] {});
    }

    void end_with(const std::string& error) {
        if (error_.empty()) {
            error_ = error.empty() ? "the sandbox ended" : error;
        }
    }

    EventLoop& loop_;
    std::unique_ptr<Variant> variant_;
    const proto::ExecStart& command_;
    std::unique_ptr<exec::ExecClient> client_;
    uint64_t first_byte_ = 0;
    std::string error_;
    bool ended_ = false;
};

Status run_until(EventLoop& loop, Duration patience, const std::function<bool()>& done) {
    bool late = false;
    const auto deadline = loop.add_timer(patience, [&late] { late = true; });
    Status turned;
    while (turned && !late && !done()) {
        turned = loop.run_once(Duration::max());
    }
    loop.cancel_timer(deadline);
    return turned;
}

using Members = std::vector<std::unique_ptr<Member>>;

Result<std::unique_ptr<Member>> add_member(EventLoop& loop, const CrowdRequest& request) {
    auto member = std::make_unique<Member>(loop, request.make(), request.command);
    ANCHORHOLD_TRY(member->prepare(kPatience));
    return member;
}

template <typename Crowd>
void note_failures(const Members& members, Crowd& crowd) {
    for (const auto& member : members) {
        if (!member->answered() && crowd.error.empty()) {
            crowd.error = member->error().empty() ? "it did not answer in ten minutes"
                                                  : log::escaped(member->error(), 300);
        }
    }
}

}  // namespace

Result<Rush> start_at_once(EventLoop& loop, const CrowdRequest& request) {
    Members members;
    for (uint32_t index = 0; index < request.count; ++index) {
        members.push_back(ANCHORHOLD_TRY(add_member(loop, request)));
    }
    const uint64_t requested = supervisor::monotonic_ns();
    for (const auto& member : members) {
        member->start();
    }
    ANCHORHOLD_TRY(run_until(loop, kPatience, [&members] {
        return std::all_of(members.begin(), members.end(), [](const auto& m) { return m->done(); });
    }));
    Rush rush{
        .start = members.front()->kind(), .count = request.count, .to_first_byte = {}, .error = {}};
    for (const auto& member : members) {
        if (member->answered()) {
            rush.to_first_byte.push_back(member->first_byte() - requested);
        }
    }
    std::sort(rush.to_first_byte.begin(), rush.to_first_byte.end());
    note_failures(members, rush);
    return rush;
}

Result<IdleCrowd> keep_idle(EventLoop& loop, const CrowdRequest& request) {
    const uint64_t before = ANCHORHOLD_TRY(available_bytes());
    Members members;
    IdleCrowd crowd;
    crowd.count = request.count;
    for (uint32_t index = 0; index < request.count; ++index) {
        members.push_back(ANCHORHOLD_TRY(add_member(loop, request)));
        Member& member = *members.back();
        crowd.start = member.kind();
        member.start();
        ANCHORHOLD_TRY(run_until(loop, kPatience, [&member] { return member.done(); }));
        if (request.on_progress) {
            request.on_progress(index + 1);
        }
    }
    ANCHORHOLD_TRY(run_until(loop, kUntilIdle, [] { return false; }));
    const uint64_t after = ANCHORHOLD_TRY(available_bytes());
    crowd.available_fall = before > after ? before - after : 0;
    for (const auto& member : members) {
        if (!member->answered()) {
            continue;
        }
        const ProcessMemory held = ANCHORHOLD_TRY(process_memory_of(member->pid()));
        crowd.private_bytes += held.private_bytes;
        crowd.pss_bytes += held.pss_bytes;
        ++crowd.answered;
    }
    note_failures(members, crowd);
    return crowd;
}

}  // namespace anchorhold::bench
