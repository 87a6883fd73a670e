// A wait that is told, told before, or cancelled; nobody's share of the Wake is taken.
#include "proxy/wake.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <optional>

namespace anchorhold::proxy {
namespace {

class WakeTest : public ::testing::Test {
  protected:
    void start() {
        asio::co_spawn(context, wait(wake),
                       asio::bind_cancellation_slot(
                           signal.slot(), [this](const std::exception_ptr& failed, int value) {
                               told = failed ? -1 : value;
                           }));
        context.poll();
        context.restart();
    }
    void run() {
        context.poll();
        context.restart();
    }
    static asio::awaitable<int> wait(std::shared_ptr<Wake<int>> wake) {
        co_return co_await wake->wait();
    }

    asio::io_context context{1};
    asio::cancellation_signal signal;
    std::shared_ptr<Wake<int>> wake = Wake<int>::create();
    std::optional<int> told;
};

TEST_F(WakeTest, told_while_somebody_waits_wakes_with_the_value) {
    start();
    EXPECT_FALSE(told);
    wake->tell(7);
    run();
    EXPECT_EQ(told, 7);
    EXPECT_EQ(wake.use_count(), 1);
}

TEST_F(WakeTest, told_before_is_remembered) {
    wake->tell(7);
    start();
    EXPECT_EQ(told, 7);
    EXPECT_EQ(wake.use_count(), 1);
}

TEST_F(WakeTest, cancelled_wait_yields_nothing_and_may_be_told_later) {
    start();
    signal.emit(asio::cancellation_type::terminal);
    run();
    EXPECT_EQ(told, 0);
    wake->tell(7);
    run();
    EXPECT_EQ(told, 0);
    EXPECT_EQ(wake.use_count(), 1);
}

}  // namespace
}  // namespace anchorhold::proxy
