// The serial sink, the ring behind it, the reset port and the search for a panic.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "vmm/devices/console_tail.h"
#include "vmm/devices/reset_port.h"
#include "vmm/devices/serial_sink.h"

namespace anchorhold::vmm {
namespace {

void put(BusDevice& device, uint64_t offset, uint8_t value) {
    const std::array<std::byte, 1> data{std::byte{value}};
    device.write(offset, data);
}

uint8_t get(BusDevice& device, uint64_t offset) {
    std::array<std::byte, 1> data{};
    device.read(offset, data);
    return std::to_integer<uint8_t>(data[0]);
}

TEST(ConsoleTail, short_output_is_kept_whole) {
    ConsoleTail tail;
    EXPECT_EQ(tail.text(), "");
    for (const char c : std::string("one\ntwo\n")) {
        tail.append(c);
    }
    EXPECT_EQ(tail.text(), "one\ntwo\n");
}

TEST(ConsoleTail, long_output_keeps_its_end) {
    ConsoleTail tail;
    std::string all;
    for (int i = 0; i < 5000; ++i) {
        all.push_back(static_cast<char>('a' + i % 26));
        tail.append(all.back());
    }
    EXPECT_EQ(tail.text(), all.substr(all.size() - kConsoleTailSize));
}

TEST(ConsoleTail, sink_hears_lines_and_long_lines_in_pieces) {
    std::vector<std::string> lines;
    ConsoleTail tail([&](std::string_view line) { lines.emplace_back(line); });
    for (const char c : "ab\n" + std::string(ConsoleTail::kMaxLine + 1, 'x') + "\n") {
        tail.append(c);
    }
    EXPECT_EQ(lines,
              (std::vector<std::string>{"ab\n", std::string(ConsoleTail::kMaxLine, 'x'), "x\n"}));
}

TEST(PanicLine, line_is_found_without_its_time_stamp) {
    EXPECT_EQ(panic_line("a\n[    1.0] Kernel panic - not syncing: dead\r\nmore\n"),
              "Kernel panic - not syncing: dead");
    EXPECT_EQ(panic_line("Kernel panic"), "Kernel panic");
    EXPECT_EQ(panic_line("all is well\n"), "");
    EXPECT_EQ(panic_line(""), "");
}

TEST(SerialSink, transmitter_is_always_ready) {
    ConsoleTail tail;
    SerialSink serial(tail);
    EXPECT_EQ(get(serial, 5), 0x60);
    EXPECT_EQ(get(serial, 2), 0x01);
}

TEST(SerialSink, data_is_output_but_a_divisor_is_not) {
    ConsoleTail tail;
    SerialSink serial(tail);
    put(serial, 3, 0x83);  // divisor latch
    put(serial, 0, 'D');
    put(serial, 1, 'D');
    EXPECT_EQ(get(serial, 3), 0x83);
    put(serial, 3, 0x03);
    put(serial, 0, 'x');
    EXPECT_EQ(tail.text(), "x");
    EXPECT_EQ(get(serial, 1), 0);
}

TEST(ResetPort, only_the_pulse_command_resets) {
    int resets = 0;
    ResetPort port([&] { ++resets; });
    put(port, 0, 0xfd);
    EXPECT_EQ(resets, 0);
    put(port, 0, 0xfe);
    EXPECT_EQ(resets, 1);
    EXPECT_EQ(get(port, 0), 0);
}

}  // namespace
}  // namespace anchorhold::vmm
