// The probe on whatever this host has: the node, or none, or one that is not KVM.
#include "machine/kvm_probe.h"

#include <gtest/gtest.h>

namespace anchorhold::machine {
namespace {

TEST(KvmProbe, missing_device_is_unusable_and_named) {
    const KvmProbe probe = probe_kvm("/nonexistent/kvm");
    EXPECT_FALSE(probe.usable);
    EXPECT_EQ(probe.reason, "open /nonexistent/kvm: No such file or directory");
}

TEST(KvmProbe, device_that_is_not_kvm_is_unusable_and_named) {
    const KvmProbe probe = probe_kvm("/dev/null");
    EXPECT_FALSE(probe.usable);
    EXPECT_EQ(probe.reason, "KVM_GET_API_VERSION /dev/null: Inappropriate ioctl for device");
}

TEST(KvmProbe, this_host_is_usable_or_says_why_not) {
    const KvmProbe probe = probe_kvm();
    EXPECT_EQ(probe.usable, probe.reason.empty()) << probe.reason;
    EXPECT_EQ(probe.reason.find('\n'), std::string::npos);
    RecordProperty("reason", probe.reason);
}

TEST(KvmProbe, no_patience_is_no_answer) {
    const KvmProbe probe = probe_kvm("/dev/null", Duration::zero());
    EXPECT_FALSE(probe.usable);
}

}  // namespace
}  // namespace anchorhold::machine
