"""Facts about the device: registers, constants, weight image, DRAM timing, driver."""
