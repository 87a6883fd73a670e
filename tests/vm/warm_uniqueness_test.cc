// Copies of one template have no random value in common, and their clocks are right: what
// docs/uniqueness.md promises.
#include <gtest/gtest.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <sstream>

#include "base/sys.h"
#include "vm/templates.h"

namespace anchorhold::vm_test {
namespace {

using Facts = std::map<std::string, std::string>;

// "key value" lines.
Facts facts_of(const std::string& text) {
    Facts facts;
    std::istringstream lines(text);
    for (std::string key, value; lines >> key && std::getline(lines >> std::ws, value);) {
        facts[key] = value;
    }
    return facts;
}

int64_t now_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int64_t number(const Facts& facts, const std::string& key) {
    const auto found = facts.find(key);
    EXPECT_NE(found, facts.end()) << key;
    return found == facts.end() ? 0 : std::strtoll(found->second.c_str(), nullptr, 10);
}

// Everything that is warm in the template, and what a copy is asked.
std::string warming() {
    return "set -e\n" + in_guest("background.py") + in_guest("warm_server.py") +
           in_guest("clock_watch.py") + in_guest("ask.py") + in_guest("fresh_draw.py") +
           carry_bytes("openssl_resume", sys::read_file(beside_us("vm_openssl_resume")).value()) +
           R"(
chmod +x openssl_resume
cat /proc/sys/kernel/random/boot_id > source-boot-id
mkfifo ssl.in ssl.out
PYTHONPATH=/usr/lib/anchorhold/python python3 warm_server.py
python3 clock_watch.py
setsid sh -c 'exec 3<>ssl.in 4<>ssl.out; exec ./openssl_resume <&3 >&4 2>ssl.log' &
for i in 1 2; do
    timeout 60 sh -c 'echo > ssl.in; read generation bytes < ssl.out; test -n "$bytes"'
done
python3 ask.py warm.socket > /dev/null
)";
}

constexpr const char* kAsk =
    "python3 ask.py warm.socket && python3 fresh_draw.py && echo > ssl.in && "
    "read generation bytes < ssl.out && echo openssl $bytes && echo openssl-generation "
    "$generation && echo source-boot-id $(cat source-boot-id) && echo command-line-openssl "
    "$(openssl rand -hex 16) && echo host-name $(hostname) && python3 ask.py clock.socket";

class WarmUniqueness : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        templates_ = std::make_unique<Templates>();
        const int64_t began = now_ns(CLOCK_MONOTONIC);
        templates_->create("py", {"--quiet", "--image", "debian", "-m", "256M", "--warm", warming(),
                                  "--probe", "python3 ask.py clock.socket"});
        created_in_ns_ = now_ns(CLOCK_MONOTONIC) - began;
        for (int copy = 0; copy < 3; ++copy) {
            const int64_t start = now_ns(CLOCK_MONOTONIC);
            const Completed done = templates_->shell("py", kAsk);
            EXPECT_EQ(done.status, 0) << done.out << done.err;
            copies_.push_back(facts_of(done.out));
            took_ns_.push_back(now_ns(CLOCK_MONOTONIC) - start);
        }
    }
    static void TearDownTestSuite() {
        templates_.reset();
        copies_.clear();
    }

    // The values of `key` in all copies.
    static std::vector<std::string> values(const std::string& key) {
        std::vector<std::string> all;
        for (const Facts& copy : copies_) {
            const auto found = copy.find(key);
            EXPECT_NE(found, copy.end()) << key;
            all.push_back(found == copy.end() ? "" : found->second);
        }
        return all;
    }
    static void expect_all_different(const std::string& key) {
        const std::vector<std::string> all = values(key);
        const std::set<std::string> different(all.begin(), all.end());
        EXPECT_EQ(different.size(), all.size())
            << key << ": " << all[0] << ", " << all[1] << ", " << all[2];
        EXPECT_FALSE(different.contains("")) << key;
    }

    static std::unique_ptr<Templates> templates_;
    static std::vector<Facts> copies_;
    static std::vector<int64_t> took_ns_;
    static int64_t created_in_ns_;
};

std::unique_ptr<Templates> WarmUniqueness::templates_;
std::vector<Facts> WarmUniqueness::copies_;
std::vector<int64_t> WarmUniqueness::took_ns_;
int64_t WarmUniqueness::created_in_ns_ = 0;

TEST_F(WarmUniqueness, what_nobody_renews_is_the_same_so_these_are_copies) {
    const std::vector<std::string> kept = values("kept");
    EXPECT_EQ(kept[0], kept[1]);
    EXPECT_EQ(kept[0], kept[2]);
    EXPECT_FALSE(kept[0].empty());
}

TEST_F(WarmUniqueness, kernels_randomness_is_each_ones_own) {
    for (const char* key :
         {"kernel-uuid", "getrandom", "urandom", "auxv-random", "random", "uuid4"}) {
        expect_all_different(key);
    }
}

TEST_F(WarmUniqueness, ids_are_each_ones_own_and_not_the_sources) {
    for (const char* key : {"boot-id", "machine-id", "generation"}) {
        expect_all_different(key);
    }
    for (const Facts& copy : copies_) {
        EXPECT_NE(copy.at("boot-id"), copy.at("source-boot-id"));
        EXPECT_EQ(copy.at("generation").size(), 20U);
        EXPECT_NE(copy.at("generation"), "00000000000000000001");
        EXPECT_FALSE(copy.at("host-name").empty());
    }
}

TEST_F(WarmUniqueness, ports_are_each_ones_own) {
    expect_all_different("ports");
}

TEST_F(WarmUniqueness, warm_python_draws_its_own) {
    for (const char* key :
         {"warm-random", "warm-bits", "warm-uuid1", "warm-uuid4", "warm-urandom", "warm-name"}) {
        expect_all_different(key);
    }
}

TEST_F(WarmUniqueness, warm_python_opens_tls_with_its_own_client_random) {
    expect_all_different("warm-ssl");
    expect_all_different("warm-hello");
    EXPECT_EQ(values("warm-hello")[0].size(), 64U);
}

TEST_F(WarmUniqueness, warm_openssl_program_draws_its_own) {
    expect_all_different("openssl");
    expect_all_different("command-line-openssl");
    for (const Facts& copy : copies_) {
        EXPECT_EQ(copy.at("openssl-generation"), copy.at("generation"));
    }
}

TEST_F(WarmUniqueness, clocks_never_stepped_back) {
    for (const Facts& copy : copies_) {
        for (const char* key : {"monotonic-back", "boottime-back", "raw-back"}) {
            EXPECT_EQ(copy.at(key), "0") << key;
        }
    }
}

// A guest's clock stands still while it is files: it has run while its template was made and while
// its command ran, and no longer.
TEST_F(WarmUniqueness, monotonic_clock_has_not_jumped) {
    for (size_t copy = 0; copy < copies_.size(); ++copy) {
        for (const char* key : {"monotonic", "boottime", "raw"}) {
            EXPECT_LT(number(copies_[copy], key), created_in_ns_ + took_ns_[copy])
                << key << " of copy " << copy;
            EXPECT_LT(number(copies_[copy], std::string(key) + "-gap"),
                      created_in_ns_ + took_ns_[copy]);
        }
    }
}

TEST_F(WarmUniqueness, wall_clock_is_the_hosts) {
    Running running(
        templates_->from("py",
                         {"python3", "-u", "-c",
                          "import sys, time\nprint('up')\nfor line in sys.stdin: print('now', "
                          "line.strip(), time.time_ns())"},
                         {"-t"}),
        Running::Streams::kTerminal);
    ASSERT_TRUE(running.wait_for("up\r\n")) << running.output();
    // The quickest of some exchanges says most (RFC 5905 §10).
    int64_t best_trip = INT64_MAX;
    int64_t offset = 0;
    for (int i = 0; i < 20; ++i) {
        const std::string mark = "now q" + std::to_string(i) + " ";
        const int64_t before = now_ns(CLOCK_REALTIME);
        running.type("q" + std::to_string(i) + "\r");
        ASSERT_TRUE(running.wait_for(mark)) << running.output();
        const int64_t after = now_ns(CLOCK_REALTIME);
        const size_t at = running.output().find(mark) + mark.size();
        ASSERT_TRUE(running.wait_for_behind(at, "\r\n")) << running.output();
        const int64_t guest = std::strtoll(running.output().c_str() + at, nullptr, 10);
        if (after - before < best_trip) {
            best_trip = after - before;
            offset = guest - (before + after) / 2;
        }
    }
    running.type("\x04");
    EXPECT_EQ(running.wait(), 0);
    EXPECT_LE(std::abs(offset), 50'000'000 + best_trip / 2)
        << "off by " << offset / 1000 << " us, known to " << best_trip / 2000 << " us";
    std::printf("the guest's clock is %lld us off the host's (known to %lld us)\n",
                static_cast<long long>(offset / 1000), static_cast<long long>(best_trip / 2000));
}

}  // namespace
}  // namespace anchorhold::vm_test
