// How a thread asks the kernel's scheduler to be treated.
#pragma once

namespace anchorhold {

enum class Turns {
    kUsual,  // what the kernel gives everybody
    kShort,  // 0.1 ms that come soon after a wake-up, instead of long turns that come late
};

// For the calling thread, and what it starts from then on. Short turns suit threads that mostly wait and whose answer somebody waits
// for; they bring no more processor time. Kernels before 6.12 ignore it; needs no privilege.
void ask_for(Turns turns);

}  // namespace anchorhold
