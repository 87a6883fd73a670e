// Little-endian fields as tables of raw bytes.
#include "base/endian.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>

namespace anchorhold {
namespace {

template <typename Field>
std::array<uint8_t, sizeof(Field)> bytes_of(const Field& field) {
    std::array<uint8_t, sizeof(Field)> bytes{};
    std::memcpy(bytes.data(), &field, sizeof field);
    return bytes;
}

TEST(LittleEndian, values_are_stored_lowest_byte_first) {
    EXPECT_EQ(bytes_of(Le16(0x0102)), (std::array<uint8_t, 2>{0x02, 0x01}));
    EXPECT_EQ(bytes_of(Le32(0x01020304)), (std::array<uint8_t, 4>{0x04, 0x03, 0x02, 0x01}));
    EXPECT_EQ(bytes_of(Le64(0x0102030405060708)), (std::array<uint8_t, 8>{8, 7, 6, 5, 4, 3, 2, 1}));
}

template <typename T>
void expect_round_trip(std::initializer_list<T> values) {
    for (const T value : values) {
        EXPECT_EQ(T{LittleEndian<T>(value)}, value);
    }
}

TEST(LittleEndian, every_width_keeps_its_extremes) {
    expect_round_trip<uint16_t>({0, 1, 0x7fff, 0x8000, 0xff00, 0xffff});
    expect_round_trip<uint32_t>({0, 1, 0x7fffffff, 0x80000000, 0xff000000, 0xffffffff});
    expect_round_trip<uint64_t>(
        {0, uint64_t{1} << 63, 0xff00000000000000, std::numeric_limits<uint64_t>::max()});
}

TEST(LittleEndian, default_is_zero) {
    EXPECT_EQ(Le64(), uint64_t{0});
}

TEST(LittleEndian, field_at_odd_address_is_read_and_written) {
    struct Wire {
        uint8_t pad = 0xaa;
        Le32 field;
    };
    static_assert(sizeof(Wire) == 5);
    Wire wire;
    wire.field = 0xdeadbeef;
    EXPECT_EQ(wire.field, 0xdeadbeefU);
    EXPECT_EQ(bytes_of(wire), (std::array<uint8_t, 5>{0xaa, 0xef, 0xbe, 0xad, 0xde}));
}

}  // namespace
}  // namespace anchorhold
