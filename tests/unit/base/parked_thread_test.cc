#include "base/parked_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <thread>

namespace anchorhold {
namespace {

constexpr size_t kStack = 64 * 1024;

TEST(ParkedThread, error_of_its_preparation_is_the_error_of_its_start) {
    const auto thread = ParkedThread::start(kStack, [] { return Status(fail("no filter")); });
    ASSERT_FALSE(thread);
    EXPECT_EQ(thread.error().message, "no filter");
}

TEST(ParkedThread, is_another_thread_that_prepared_itself_before_start_returns) {
    std::thread::id prepared;
    const auto thread = ParkedThread::start(kStack, [&] {
        prepared = std::this_thread::get_id();
        return Status();
    });
    ASSERT_TRUE(thread);
    EXPECT_NE(prepared, std::thread::id());
    EXPECT_NE(prepared, std::this_thread::get_id());
}

TEST(ParkedThread, runs_one_task_after_the_other_on_the_same_thread) {
    const auto thread = ParkedThread::start(kStack, nullptr);
    ASSERT_TRUE(thread);
    std::thread::id first;
    std::thread::id second;
    (*thread)->run([&] { first = std::this_thread::get_id(); });
    (*thread)->wait();
    (*thread)->run([&] { second = std::this_thread::get_id(); });
    (*thread)->wait();
    EXPECT_NE(first, std::thread::id());
    EXPECT_EQ(first, second);
}

TEST(ParkedThread, its_end_waits_for_what_it_runs) {
    std::atomic<bool> done = false;
    {
        const auto thread = ParkedThread::start(kStack, nullptr);
        ASSERT_TRUE(thread);
        (*thread)->run([&] { done = true; });
    }
    EXPECT_TRUE(done);
}

std::atomic<bool> signalled = false;

TEST(ParkedThread, signal_reaches_it_and_nobody_else) {
    struct sigaction action {};
    action.sa_handler = [](int) { signalled = true; };
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    std::atomic<bool> seen = false;
    const auto thread = ParkedThread::start(kStack, nullptr);
    ASSERT_TRUE(thread);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, nullptr), 0);
    (*thread)->run([&] {
        while (!signalled) {
            std::this_thread::yield();
        }
        seen = true;
    });
    (*thread)->signal(SIGUSR1);
    (*thread)->wait();
    EXPECT_TRUE(seen);
    ASSERT_EQ(::pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr), 0);
}

}  // namespace
}  // namespace anchorhold
