// Write, hibernate, look, resume, compare.
#include "soak/hibernation_rounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <sstream>
#include <vector>

#include "soak/processes.h"

namespace anchorhold::soak {
namespace {

using Steady = std::chrono::steady_clock;

constexpr const char* kName = "bear";
constexpr const char* kPath = "/v1/sandboxes/bear";

// Its words, whether the counter's process lives, the boot, and two numbers of the counter.
constexpr const char* kLook =
    "read w < $HOME/word; echo $w; read w < /dev/shm/word; echo $w; read p < /dev/shm/counter; "
    "kill -0 $p && echo counts; read w < /proc/sys/kernel/random/boot_id; echo $w; ";

class HibernationRounds {
  public:
    HibernationRounds(std::string folder, uint64_t rounds, Faults& faults)
        : folder_(std::move(folder)), rounds_(rounds), faults_(faults) {}

    Result<HibernationFigures> run() {
        faults_.at("hibernation");
        service_ = ANCHORHOLD_TRY(ServiceProcess::start(folder_));
        ANCHORHOLD_TRY(must("POST", "/v1/sandboxes",
                            fmt::format(R"({{"name":"{}","template":"{}"}})", kName, kTemplate)));
        ANCHORHOLD_TRY(service_->run_in(kName, kGuestCounts));
        ANCHORHOLD_TRY(round(0));  // whatever is made once is made now
        const auto began = Steady::now();
        const uint64_t warm_up = std::min<uint64_t>(rounds_ / 10 + 1, 20);
        for (uint64_t number = 1; number <= rounds_ && faults_.count() < 10; ++number) {
            ANCHORHOLD_TRY(round(number));
            ++figures_.done;
            if (number == warm_up) {
                figures_.memory_before = resident_kib(service_->pid());
                figures_.descriptors = open_descriptors(service_->pid());
            }
            if (number % std::max<uint64_t>(rounds_ / 20, 1) == 0) {
                fmt::print("{:>6} hibernations, {:.0f} s\n", number, seconds_since(began));
                std::fflush(stdout);
            }
        }
        figures_.seconds = seconds_since(began);
        faults_.at("hibernation, at the end");
        look_at_growth(warm_up);
        ANCHORHOLD_TRY(must("DELETE", std::string(kPath) + "?force=true"));
        look_at_host();
        ANCHORHOLD_TRY(service_->stop());
        return figures_;
    }

  private:
    static double seconds_since(Steady::time_point began) {
        return std::chrono::duration<double>(Steady::now() - began).count();
    }

    // What must succeed.
    Status must(const std::string& method, const std::string& target,
                const std::string& body = {}) {
        const ServiceAnswer answer = ANCHORHOLD_TRY(service_->ask(method, target, body));
        faults_.require(answer.good(),
                        fmt::format("{} {} was answered with {}", method, target, answer.text()));
        return answer.good() ? Status() : Status(fail("the sandbox of the soak is lost"));
    }

    void look_at_host() {
        const auto views = settled_views(*service_);
        if (faults_.require(views.has_value(), views ? "" : views.error().message)) {
            const std::string text = differences(folder_, *service_, *views);
            faults_.require(text.empty(), text);
        }
    }

    Status round(uint64_t number) {
        faults_.at(fmt::format("hibernation {}", number));
        ANCHORHOLD_TRY(service_->run_in(
            kName, guest_writes(fmt::format("file-{}", number), fmt::format("memory-{}", number))));
        ANCHORHOLD_TRY(must("POST", std::string(kPath) + "/hibernate"));
        look_at_host();  // no VMM, one snapshot
        ANCHORHOLD_TRY(must("POST", std::string(kPath) + "/resume"));
        compare(number,
                ANCHORHOLD_TRY(service_->run_in(kName, std::string(kLook) + kGuestCountsOn)));
        look_at_host();
        return {};
    }

    void compare(uint64_t number, const std::string& text) {
        std::istringstream lines(text);
        std::string file;
        std::string memory;
        std::string counts;
        std::string boot;
        uint64_t first = 0;
        uint64_t second = 0;
        lines >> file >> memory >> counts >> boot >> first >> second;
        const std::string wanted = fmt::format("file-{0} memory-{0} counts", number);
        faults_.require(fmt::format("{} {} {}", file, memory, counts) == wanted,
                        fmt::format("expected '{}', came '{}'", wanted, text));
        faults_.require(first >= counted_ && second > first,
                        fmt::format("expected a counter that goes on from {}, came {} then {}",
                                    counted_, first, second));
        faults_.require(boot.size() == 36 && boot != boot_,
                        fmt::format("expected another boot than '{}', came '{}'", boot_, boot));
        counted_ = second;
        boot_ = boot;
    }

    void look_at_growth(uint64_t warm_up) {
        figures_.memory_after = resident_kib(service_->pid());
        // A page a round would be a leak; an allocator's own moods are not.
        const uint64_t allowed = figures_.memory_before + 2048 + (rounds_ - warm_up) / 2;
        faults_.require(figures_.memory_after <= allowed,
                        fmt::format("expected at most {} KiB, the service has {} ({} after the "
                                    "warm-up)",
                                    allowed, figures_.memory_after, figures_.memory_before));
        const size_t descriptors = open_descriptors(service_->pid());
        faults_.require(descriptors <= figures_.descriptors,
                        fmt::format("expected {} descriptors of the service, came {}",
                                    figures_.descriptors, descriptors));
    }

    std::string folder_;
    uint64_t rounds_;
    Faults& faults_;
    std::unique_ptr<ServiceProcess> service_;
    HibernationFigures figures_;
    uint64_t counted_ = 0;
    std::string boot_;
};

}  // namespace

Result<HibernationFigures> run_hibernation_rounds(const std::string& folder, uint64_t rounds,
                                                  Faults& faults) {
    return HibernationRounds(folder, rounds, faults).run();
}

}  // namespace anchorhold::soak
