// The pool: bounded, fair, and quiet after a cancel.
#include "dialer/resolver.h"

#include <condition_variable>
#include <mutex>

#include "rig.h"

namespace anchorhold::dialer {
namespace {

// Look-ups of "stuck…" wait until they are let go.
class Gate {
  public:
    Resolution look_up(const std::string& name) {
        std::unique_lock lock(mutex_);
        if (name.starts_with("stuck")) {
            ++stuck_;
            changed_.notify_all();
            changed_.wait(lock, [&] { return open_; });
        }
        return {Resolution::Outcome::found, {ip("192.0.2.1")}, ""};
    }
    void wait_for_stuck(int count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stuck_ >= count; });
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    int stuck() {
        const std::lock_guard lock(mutex_);
        return stuck_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    int stuck_ = 0;
};

class ResolverTest : public testing::Test {
  protected:
    void TearDown() override { gate.open(); }
    Resolver::Done count() {
        return [this](Resolution resolution) {
            ++(resolution.outcome == Resolution::Outcome::busy ? busy : found);
        };
    }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    Gate gate;
    PooledResolver resolver{*loop, 4,
                            [this](const std::string& name) { return gate.look_up(name); }};
    int found = 0;
    int busy = 0;
};

TEST_F(ResolverTest, client_whose_names_hang_leaves_half_of_the_pool_to_others) {
    for (int i = 0; i < 10; ++i) {
        resolver.resolve(1, "stuck" + std::to_string(i), count());
    }
    gate.wait_for_stuck(2);
    resolver.resolve(2, "fine", count());
    ASSERT_TRUE(run_until(*loop, [&] { return found == 1; }));
    EXPECT_EQ(gate.stuck(), 2);
    gate.open();
    EXPECT_TRUE(run_until(*loop, [&] { return found == 11; }));
}

TEST_F(ResolverTest, cancelled_question_is_not_answered) {
    const auto first = resolver.resolve(1, "stuck", count());
    gate.wait_for_stuck(1);
    const auto second = resolver.resolve(1, "fine", count());
    resolver.cancel(first);
    resolver.cancel(second);
    gate.open();
    resolver.resolve(1, "last", count());
    ASSERT_TRUE(run_until(*loop, [&] { return found == 1; }));
    EXPECT_EQ(found, 1);
}

TEST_F(ResolverTest, full_queue_answers_busy) {
    for (int i = 0; i < 1024 + 2 + 5; ++i) {
        resolver.resolve(1, "stuck", count());
        if (i == 1) {
            gate.wait_for_stuck(2);
        }
    }
    EXPECT_TRUE(run_until(*loop, [&] { return busy == 5; }));
}

TEST(LookUpTest, hosts_file_is_read) {
    const Resolution resolution = look_up("localhost");
    EXPECT_EQ(resolution.outcome, Resolution::Outcome::found);
    EXPECT_FALSE(resolution.addresses.empty());
}

}  // namespace
}  // namespace anchorhold::dialer
