// Descriptors, timers and posted tasks of the loop, with time turned by hand.
#include "base/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "base/sys.h"
#include "fakes/manual_clock.h"

namespace anchorhold {
namespace {

using namespace std::chrono_literals;

class EventLoopTest : public testing::Test {
  protected:
    void turn() { ASSERT_TRUE(loop->run_once(Duration::zero())); }

    // An eventfd that is readable at once.
    static OwnFd ready_fd() {
        OwnFd fd = sys::event_fd(O_NONBLOCK).value();
        make_ready(fd);
        return fd;
    }
    static void make_ready(const OwnFd& fd) {
        const std::array<std::byte, 8> one{std::byte{1}};
        EXPECT_TRUE(sys::write_some(fd.get(), one));
    }

    fakes::ManualClock clock;
    std::unique_ptr<EventLoop> loop = EventLoop::create(clock).value();
    std::vector<std::string> log;
};

TEST_F(EventLoopTest, ready_descriptor_reaches_its_handler_with_its_events) {
    auto [ours, theirs] = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK).value();
    uint32_t seen = 0;
    ASSERT_TRUE(loop->add(ours.get(), EPOLLIN | EPOLLOUT, [&](uint32_t events) { seen = events; }));
    turn();
    EXPECT_EQ(seen, uint32_t{EPOLLOUT});
    ASSERT_TRUE(sys::write_all(theirs.get(), "x"));
    turn();
    EXPECT_EQ(seen, uint32_t{EPOLLIN | EPOLLOUT});
    theirs.reset();
    turn();
    EXPECT_EQ(seen, uint32_t{EPOLLIN | EPOLLOUT | EPOLLHUP});
}

TEST_F(EventLoopTest, watch_of_no_events_still_reports_hang_up) {
    auto [ours, theirs] = sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK).value();
    uint32_t seen = 0;
    ASSERT_TRUE(loop->add(ours.get(), 0, [&](uint32_t events) { seen = events; }));
    ASSERT_TRUE(sys::write_all(theirs.get(), "x"));
    turn();
    EXPECT_EQ(seen, 0U);
    theirs.reset();
    turn();
    EXPECT_EQ(seen, uint32_t{EPOLLHUP});
}

TEST_F(EventLoopTest, level_triggered_watch_repeats_and_edge_triggered_does_not) {
    const OwnFd level = ready_fd();
    const OwnFd edge = ready_fd();
    ASSERT_TRUE(loop->add(level.get(), EPOLLIN, [&](uint32_t) { log.emplace_back("level"); }));
    turn();
    turn();
    loop->remove(level.get());
    ASSERT_TRUE(
        loop->add(edge.get(), EPOLLIN | EPOLLET, [&](uint32_t) { log.emplace_back("edge"); }));
    turn();
    turn();
    EXPECT_EQ(log, (std::vector<std::string>{"level", "level", "edge"}));
}

TEST_F(EventLoopTest, modify_changes_what_is_reported) {
    const OwnFd fd = ready_fd();
    int calls = 0;
    ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [&](uint32_t) { ++calls; }));
    ASSERT_TRUE(loop->modify(fd.get(), 0));
    turn();
    EXPECT_EQ(calls, 0);
    ASSERT_TRUE(loop->modify(fd.get(), EPOLLIN));
    turn();
    EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, misuse_of_descriptors_is_an_error_that_names_them) {
    const OwnFd fd = ready_fd();
    const std::string number = std::to_string(fd.get());
    int first = 0;
    EXPECT_EQ(loop->modify(fd.get(), EPOLLIN).error().message,
              "event loop: descriptor " + number + " is not watched");
    ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [&](uint32_t) { ++first; }));
    EXPECT_EQ(loop->add(fd.get(), EPOLLIN, [](uint32_t) { FAIL(); }).error().message,
              "epoll_ctl add " + number + ": File exists");
    turn();
    EXPECT_EQ(first, 1) << "the refused second handler must not replace the first";
    EXPECT_EQ(loop->add(-1, EPOLLIN, [](uint32_t) {}).error().code, EBADF);
    const OwnFd file = sys::memfd("file", 1).value();
    EXPECT_EQ(loop->add(file.get(), EPOLLIN, [](uint32_t) {}).error().code, EPERM);
    loop->remove(file.get());
    loop->remove(-1);
}

TEST_F(EventLoopTest, handler_that_removes_itself_is_not_called_again) {
    const OwnFd fd = ready_fd();
    // The capture is used after the removal: the handler must outlive it.
    ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [&, text = std::string(100, 'x')](uint32_t) {
        loop->remove(fd.get());
        log.push_back(text);
    }));
    turn();
    turn();
    EXPECT_EQ(log, std::vector<std::string>{std::string(100, 'x')});
}

TEST_F(EventLoopTest, event_of_a_descriptor_removed_in_the_same_turn_reaches_nobody) {
    const OwnFd a = ready_fd();
    const OwnFd b = ready_fd();
    const auto remove_the_other = [&](const OwnFd& other) {
        return [&](uint32_t) {
            log.emplace_back("called");
            loop->remove(other.get());
        };
    };
    ASSERT_TRUE(loop->add(a.get(), EPOLLIN, remove_the_other(b)));
    ASSERT_TRUE(loop->add(b.get(), EPOLLIN, remove_the_other(a)));
    turn();
    EXPECT_EQ(log.size(), 1U);
}

// The number of a closed descriptor is given to the next one: its old events are not the new one's.
TEST_F(EventLoopTest, stale_event_does_not_reach_a_new_owner_of_the_number) {
    OwnFd a = ready_fd();
    OwnFd b = ready_fd();
    OwnFd successor;
    const auto replace = [&](OwnFd& other) {
        const int number = other.get();
        loop->remove(number);
        other.reset();
        successor = sys::event_fd(O_NONBLOCK).value();
        ASSERT_EQ(successor.get(), number);
        ASSERT_TRUE(loop->add(number, EPOLLIN, [&](uint32_t) { log.emplace_back("new"); }));
    };
    ASSERT_TRUE(loop->add(a.get(), EPOLLIN, [&](uint32_t) {
        loop->remove(a.get());
        replace(b);
    }));
    ASSERT_TRUE(loop->add(b.get(), EPOLLIN, [&](uint32_t) {
        loop->remove(b.get());
        replace(a);
    }));
    turn();
    turn();
    EXPECT_TRUE(log.empty());
    make_ready(successor);
    turn();
    EXPECT_EQ(log, std::vector<std::string>{"new"});
}

TEST_F(EventLoopTest, timers_fire_by_time_and_equal_times_in_order_of_adding) {
    const auto say = [&](const char* name) { return [this, name] { log.emplace_back(name); }; };
    loop->add_timer(20ms, say("c"));
    loop->add_timer(10ms, say("a"));
    loop->add_timer(10ms, say("b"));
    loop->add_timer(21ms, say("d"));
    loop->add_timer(-5ms, say("past"));
    turn();
    EXPECT_EQ(log, std::vector<std::string>{"past"});
    clock.advance(9'999'999ns);
    turn();
    EXPECT_EQ(log.size(), 1U);
    clock.advance(10'000'001ns);
    turn();
    EXPECT_EQ(log, (std::vector<std::string>{"past", "a", "b", "c"}));
    clock.advance(1ms);
    turn();
    EXPECT_EQ(log.back(), "d");
}

TEST_F(EventLoopTest, cancelled_timer_does_not_fire) {
    const auto id = loop->add_timer(1ms, [] { FAIL(); });
    EXPECT_NE(id, 0U);
    loop->cancel_timer(id);
    loop->cancel_timer(id);
    loop->cancel_timer(0);
    loop->cancel_timer(12345);
    clock.advance(1h);
    turn();
}

TEST_F(EventLoopTest, timer_cancelled_by_another_due_in_the_same_turn_does_not_fire) {
    EventLoop::TimerId second = 0;
    loop->add_timer(1ms, [&] {
        log.emplace_back("first");
        loop->cancel_timer(second);
    });
    second = loop->add_timer(2ms, [] { FAIL(); });
    clock.advance(5ms);
    turn();
    EXPECT_EQ(log, std::vector<std::string>{"first"});
}

TEST_F(EventLoopTest, timer_that_cancels_itself_while_firing_harms_nothing) {
    EventLoop::TimerId id = 0;
    id = loop->add_timer(1ms, [&, text = std::string(100, 'x')] {
        loop->cancel_timer(id);
        log.push_back(text);
    });
    clock.advance(1ms);
    turn();
    turn();
    EXPECT_EQ(log.size(), 1U);
}

TEST_F(EventLoopTest, timer_that_rearms_itself_without_delay_fires_once_a_turn) {
    std::function<void()> again = [&] {
        log.emplace_back("tick");
        loop->add_timer(Duration::zero(), again);
    };
    loop->add_timer(Duration::zero(), again);
    turn();
    EXPECT_EQ(log.size(), 1U);
    turn();
    EXPECT_EQ(log.size(), 2U);
}

TEST_F(EventLoopTest, timer_beyond_the_end_of_time_never_fires) {
    loop->add_timer(Duration::max(), [] { FAIL(); });
    loop->add_timer(1ms, [&] { log.emplace_back("soon"); });
    clock.advance(24h);
    turn();
    EXPECT_EQ(log, std::vector<std::string>{"soon"});
}

TEST_F(EventLoopTest, due_timer_does_not_wait_for_patience) {
    loop->add_timer(Duration::zero(), [&] { log.emplace_back("due"); });
    const TimePoint begin = steady_clock().now();
    ASSERT_TRUE(loop->run_once(1h));
    EXPECT_LT(steady_clock().now() - begin, 10min);
    EXPECT_EQ(log.size(), 1U);
}

TEST(EventLoop, timer_on_the_real_clock_fires_no_sooner_than_asked) {
    const auto loop = EventLoop::create().value();
    const TimePoint begin = loop->clock().now();
    loop->add_timer(5ms, [&] { loop->stop(); });
    ASSERT_TRUE(loop->run());
    EXPECT_GE(loop->clock().now() - begin, 5ms);
}

TEST_F(EventLoopTest, task_posted_from_another_thread_wakes_the_loop_and_runs_on_its_thread) {
    std::thread::id ran_on;
    std::thread other([&] {
        loop->post([&] {
            ran_on = std::this_thread::get_id();
            loop->stop();
        });
    });
    ASSERT_TRUE(loop->run());
    other.join();
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(EventLoopTest, tasks_of_many_threads_all_run_once) {
    constexpr int kThreads = 4;
    constexpr int kTasks = 500;
    int ran = 0;
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
            for (int task = 0; task < kTasks; ++task) {
                loop->post([&] {
                    if (++ran == kThreads * kTasks) {
                        loop->stop();
                    }
                });
            }
        });
    }
    ASSERT_TRUE(loop->run());
    for (std::thread& thread : threads) {
        thread.join();
    }
    turn();
    EXPECT_EQ(ran, kThreads * kTasks);
}

TEST_F(EventLoopTest, tasks_run_in_order_and_one_posted_by_a_task_runs_next_turn) {
    loop->post([&] {
        log.emplace_back("a");
        loop->post([&] { log.emplace_back("c"); });
    });
    loop->post([&] { log.emplace_back("b"); });
    turn();
    EXPECT_EQ(log, (std::vector<std::string>{"a", "b"}));
    turn();
    EXPECT_EQ(log.back(), "c");
}

TEST_F(EventLoopTest, stop_inside_a_handler_ends_run_and_run_can_begin_again) {
    const OwnFd fd = ready_fd();
    ASSERT_TRUE(loop->add(fd.get(), EPOLLIN, [&](uint32_t) {
        log.emplace_back("turn");
        loop->stop();
    }));
    ASSERT_TRUE(loop->run());
    ASSERT_TRUE(loop->run());
    EXPECT_EQ(log.size(), 2U);
}

}  // namespace
}  // namespace anchorhold
