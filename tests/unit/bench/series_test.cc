#include "bench/series.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "proto/frame.h"

namespace anchorhold::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Plays a VMM and its guest within this process: ready at once, and the exec stream answers as it
// is told.
class FakeVariant final : public Variant {
  public:
    FakeVariant(EventLoop& loop, std::string name, std::string output)
        : loop_(loop), output_(std::move(output)) {
        description_.name = std::move(name);
    }

    [[nodiscard]] const VariantDescription& description() const override { return description_; }
    Status start(Handlers handlers) override {
        handlers_ = std::move(handlers);
        timeline_ = {};
        timeline_.requested = timeline_.spawned = supervisor::monotonic_ns();
        ++starts;
        loop_.post([this] { failure.empty() ? handlers_.on_ready() : handlers_.on_end(failure); });
        return {};
    }
    Result<OwnFd> open_exec_stream() override {
        auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK));
        std::string frames;
        proto::ExecServerFrame frame;
        frame.mutable_started()->set_tsc_exec(7);
        proto::append_frame(frames, frame);
        if (!output_.empty()) {
            frame.mutable_output()->set_stream(proto::STDOUT);
            frame.mutable_output()->set_data(output_);
            proto::append_frame(frames, frame);
        }
        frame.mutable_exited()->set_code(0);
        proto::append_frame(frames, frame);
        ANCHORHOLD_TRY(sys::write_all(theirs.get(), frames));
        guest_ = std::move(theirs);
        return std::move(ours);
    }
    void note_exec(uint64_t guest_tsc) override { timeline_.exec = timeline_.spawned + guest_tsc; }
    void note_first_byte() override { timeline_.first_byte = supervisor::monotonic_ns(); }
    [[nodiscard]] const supervisor::Timeline& timeline() const override { return timeline_; }
    [[nodiscard]] pid_t vmm_pid() const override { return ::getpid(); }
    [[nodiscard]] GuestMappings guest_mappings() const override { return {}; }
    void destroy() override {
        loop_.post([this] { handlers_.on_end(""); });
    }

    int starts = 0;
    std::string failure;

  private:
    EventLoop& loop_;
    std::string output_;
    VariantDescription description_;
    Handlers handlers_;
    supervisor::Timeline timeline_;
    OwnFd guest_;
};

class SeriesTest : public testing::Test {
  protected:
    SeriesTest() : loop_(std::move(*EventLoop::create())) {}

    FakeVariant& add(std::string name, std::string output) {
        auto variant = std::make_unique<FakeVariant>(*loop_, std::move(name), std::move(output));
        FakeVariant& result = *variant;
        variants_.push_back(std::move(variant));
        return result;
    }

    std::unique_ptr<EventLoop> loop_;
    std::vector<std::unique_ptr<Variant>> variants_;
};

TEST_F(SeriesTest, variants_take_turns_and_the_first_round_is_not_counted) {
    FakeVariant& ours = add("ours", "x");
    add("theirs", "x");
    std::vector<std::string> order;
    SeriesOptions options;
    options.count = 2;
    options.on_progress = [&order](uint32_t, uint32_t, const std::string& next) {
        order.push_back(next);
    };
    const auto results = run_series(*loop_, variants_, options);
    ASSERT_TRUE(results) << results.error().message;
    EXPECT_THAT(order, ElementsAre("ours", "theirs", "ours", "theirs", "ours", "theirs"));
    EXPECT_EQ(ours.starts, 3);
    ASSERT_EQ(results->size(), 2U);
    EXPECT_EQ((*results)[1].description.name, "theirs");
    ASSERT_EQ((*results)[0].starts.size(), 2U);
    EXPECT_EQ((*results)[0].starts[0].times[static_cast<size_t>(Phase::kToAgent)], 7U);
    EXPECT_GT((*results)[0].starts[0].vmm_private_bytes, 0U);
}

TEST_F(SeriesTest, command_that_prints_nothing_ends_the_series) {
    add("ours", "");
    const auto results = run_series(*loop_, variants_, {});
    ASSERT_FALSE(results);
    EXPECT_THAT(results.error().message, HasSubstr("ours: the command printed nothing"));
}

TEST_F(SeriesTest, vmm_that_fails_ends_the_series_with_its_reason) {
    add("ours", "x");
    add("theirs", "x").failure = "no such device";
    const auto results = run_series(*loop_, variants_, {});
    ASSERT_FALSE(results);
    EXPECT_EQ(results.error().message, "theirs: no such device");
}

}  // namespace
}  // namespace anchorhold::bench
