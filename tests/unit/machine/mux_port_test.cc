// Finding a port by its name among folders that look like sysfs.
#include "machine/mux_port.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "temporary_folder.h"

namespace anchorhold::machine {
namespace {

void add_port(const std::string& ports, const std::string& device, const std::string& name) {
    ASSERT_EQ(::mkdir((ports + "/" + device).c_str(), 0700), 0);
    ASSERT_TRUE(sys::write_file(ports + "/" + device + "/name", name));
}

TEST(MuxPort, port_with_the_name_is_found) {
    const TemporaryFolder ports;
    add_port(ports.path(), "vport0p1", "org.example.other\n");
    add_port(ports.path(), "vport0p2", "org.anchorhold.mux\n");
    EXPECT_EQ(find_port(ports.path(), kMuxPortName), "vport0p2");
}

TEST(MuxPort, longer_name_is_another_port) {
    const TemporaryFolder ports;
    add_port(ports.path(), "vport0p1", "org.anchorhold.mux2\n");
    EXPECT_EQ(find_port(ports.path(), kMuxPortName), "");
}

TEST(MuxPort, no_driver_has_no_ports) {
    EXPECT_EQ(find_port("/nonexistent", kMuxPortName), "");
}

}  // namespace
}  // namespace anchorhold::machine
