/* A kernel of questions about the devices of a PC: each prints one line `name: value ...`, the same on every PC whose chips
 * keep to their data sheets. Multiboot 1, 32-bit protected mode, serial port 0x3f8, exit through port 0xf4.
 * Built by devices-qemu.test.ts. Values that depend on the speed of the host are asked as yes or no. */
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32;

__asm__(
".text\n .balign 4\n .long 0x1badb002, 0, -0x1badb002\n"
".globl _start\n_start:\n cli\n mov $stack_top, %esp\n lgdt gdt_pointer\n ljmp $8, $1f\n"
"1: mov $16, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n call kernel_main\n2: hlt\n jmp 2b\n"
".balign 16\n stubs:\n .set i, 0\n .rept 256\n .balign 16\n push $i\n jmp common\n .set i, i + 1\n .endr\n"
"common:\n pusha\n mov 32(%esp), %eax\n push %eax\n call interrupt\n pop %eax\n popa\n add $4, %esp\n iret\n"
".bss\n .balign 16\n .skip 16384\n stack_top:\n .data\n gdt_pointer: .word 23\n .long gdt\n .text\n");

extern u8 stubs[];
unsigned long long gdt[3] = { 0, 0x00cf9b000000ffffull, 0x00cf93000000ffffull };
struct { u16 low, selector, flags, high; } idt[256];

static inline void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" :: "a"(value), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 value; __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port)); return value; }
#define REGISTER(address) (*(volatile u32 *)(address))
#define LAPIC(offset) REGISTER(0xfee00000 + (offset))

static void put(char letter) { outb(0x3f8, letter); while (!(inb(0x3fd) & 0x40)) ; }
static void text(const char *string) { while (*string) put(*string++); }
static void number(u32 value) { char digits[8]; int n = 0; do digits[n++] = "0123456789abcdef"[value & 15]; while (value >>= 4); while (n) put(digits[--n]); }
static void answer(const char *name, int count, const u32 *values) {
  text(name); put(':');
  for (int i = 0; i < count; i++) { put(' '); number(values[i]); }
  put('\n');
}
#define ANSWER(name, ...) do { u32 values[] = { __VA_ARGS__ }; answer(name, sizeof values / 4, values); } while (0)

/* Interrupts: how often each vector came, and what ends it. */
static volatile u32 taken[256];
static volatile u32 last;
void interrupt(u32 vector) {
  taken[vector]++; last = vector;
  if (vector >= 0x40) LAPIC(0xb0) = 0;
  else if (vector >= 0x20) { if (vector >= 0x28) outb(0xa0, 0x20); outb(0x20, 0x20); }
  else { text("exception "); number(vector); put('\n'); outb(0xf4, 1); }
}
static void allow(void) { __asm__ volatile("sti\n nop\n nop\n nop\n cli" ::: "memory"); }
static void wait_for(u32 vector) { u32 before = taken[vector]; for (u32 i = 0; i < 100000000 && taken[vector] == before; i++) allow(); }

static void pic_init(u8 master_mask, u8 slave_mask) {
  outb(0x20, 0x11); outb(0x21, 0x20); outb(0x21, 4); outb(0x21, 1);
  outb(0xa0, 0x11); outb(0xa1, 0x28); outb(0xa1, 2); outb(0xa1, 1);
  outb(0x21, master_mask); outb(0xa1, slave_mask);
}
static u8 pic_read(u16 port, u8 command) { outb(port, command); return inb(port); }

static void ask_uart(void) {
  outb(0x3f9, 0); outb(0x3fb, 3); outb(0x3fc, 0x0b); outb(0x3fa, 0);
  inb(0x3fe);
  ANSWER("uart idle", inb(0x3f9), inb(0x3fa), inb(0x3fb), inb(0x3fc), inb(0x3fd), inb(0x3fe));
  outb(0x3ff, 0x5a); ANSWER("uart scratch", inb(0x3ff));
  outb(0x3f9, 0xf0); ANSWER("uart interrupt enable has four bits", inb(0x3f9));
  outb(0x3fb, 0x83); outb(0x3f8, 0x34); outb(0x3f9, 0x12);
  u32 low = inb(0x3f8), high = inb(0x3f9);
  outb(0x3f8, 1); outb(0x3f9, 0); outb(0x3fb, 3);
  ANSWER("uart divisor", low, high);
  outb(0x3fa, 0x01); u32 fifo = inb(0x3fa); outb(0x3fa, 0); ANSWER("uart identifies its fifos", fifo, inb(0x3fa));
  outb(0x3f9, 2); u32 first = inb(0x3fa), second = inb(0x3fa); outb(0x3f9, 0); ANSWER("uart transmitter interrupt", first, second);
  outb(0x3fc, 0x10); inb(0x3fe);
  u32 lines[16];
  for (u32 i = 0; i < 16; i++) { outb(0x3fc, 0x10 | i); lines[i] = inb(0x3fe) & 0xf0; }
  outb(0x3fc, 0x1b); inb(0x3fe); outb(0x3fc, 0x10); u32 delta = inb(0x3fe); u32 cleared = inb(0x3fe);
  outb(0x3f9, 8); outb(0x3fc, 0x11); u32 modem = inb(0x3fa); inb(0x3fe); u32 after = inb(0x3fa); outb(0x3f9, 0);
  outb(0x3fc, 0x10); inb(0x3fe);
  outb(0x3f8, 'x'); u32 ready = inb(0x3fd), data = inb(0x3f8), empty = inb(0x3fd);
  outb(0x3f9, 1); outb(0x3f8, 'y'); u32 available = inb(0x3fa); inb(0x3f8); u32 none = inb(0x3fa); outb(0x3f9, 0);
  /* The slowest rate, so that no receiver timeout comes between. */
  outb(0x3fb, 0x83); outb(0x3f8, 0xff); outb(0x3f9, 0xff); outb(0x3fb, 3);
  outb(0x3fa, 0x81); outb(0x3f9, 1);
  u32 ids[9];
  for (u32 i = 0; i < 9; i++) { outb(0x3f8, i); ids[i] = inb(0x3fa); }
  u32 queue[9];
  for (u32 i = 0; i < 9; i++) queue[i] = inb(0x3f8);
  outb(0x3f8, 1); outb(0x3fa, 0x83); u32 discarded = inb(0x3fd);
  outb(0x3f9, 0); outb(0x3fa, 0); outb(0x3fc, 0x0b); inb(0x3fe);
  outb(0x3fb, 0x83); outb(0x3f8, 1); outb(0x3f9, 0); outb(0x3fb, 3);
  answer("uart loopback lines", 16, lines);
  ANSWER("uart modem delta", delta, cleared, modem, after);
  ANSWER("uart loopback", ready, data, empty);
  ANSWER("uart data interrupt", available, none);
  answer("uart trigger level 8", 7, ids); ANSWER("uart trigger reached", ids[7], ids[8]);
  answer("uart fifo order", 9, queue);
  ANSWER("uart fifo cleared", discarded);
}

static void ask_pic(void) {
  pic_init(0xfb, 0xff);
  ANSWER("8259 masks", inb(0x21), inb(0xa1));
  outb(0x4d0, 0xff); outb(0x4d1, 0xff); ANSWER("8259 level control", inb(0x4d0), inb(0x4d1)); outb(0x4d0, 0); outb(0x4d1, 0);
  /* The UART's transmitter interrupt is IRQ 4. */
  pic_init(0xff, 0xff); outb(0x3f9, 0); inb(0x3fa); outb(0x3f9, 2);
  ANSWER("8259 masked request", pic_read(0x20, 0x0a) & 0x10, pic_read(0x20, 0x0b));
  outb(0x21, 0xef); u32 irr = pic_read(0x20, 0x0a) & 0x10;
  u32 poll = pic_read(0x20, 0x0c), isr = pic_read(0x20, 0x0b), again = pic_read(0x20, 0x0c);
  outb(0x20, 0x64); ANSWER("8259 poll", irr, poll, isr, again, pic_read(0x20, 0x0b));
  inb(0x3fa); outb(0x3f9, 0); outb(0x3f9, 2); allow();
  ANSWER("8259 interrupt", last, taken[0x24], pic_read(0x20, 0x0b));
  inb(0x3fa); outb(0x3f9, 0); allow(); ANSWER("8259 quiet", taken[0x24]);
  outb(0x20, 0x11); outb(0x21, 0x20); outb(0x21, 4); outb(0x21, 3); outb(0x21, 0xef); outb(0x3f9, 2);
  u32 automatic = pic_read(0x20, 0x0c); ANSWER("8259 automatic end of interrupt", automatic, pic_read(0x20, 0x0b));
  inb(0x3fa); outb(0x3f9, 0); pic_init(0xff, 0xff);
}

static u32 pit_status(u8 channel) { outb(0x43, 0xe0 | (2 << channel)); return inb(0x40 + channel); }
static u32 pit_count(u8 channel) { outb(0x43, channel << 6); u32 low = inb(0x40 + channel); return low | inb(0x40 + channel) << 8; }
static void ask_pit(void) {
  for (u32 mode = 0; mode < 6; mode++) {
    outb(0x43, 0xb0 | mode << 1); outb(0x42, 0x10); outb(0x42, 0x27);
    ANSWER("8254 status", mode, pit_status(2) & 0x3f);
  }
  outb(0x43, 0x90); outb(0x42, 5); ANSWER("8254 status of one-byte access", pit_status(2) & 0x3f);
  outb(0x43, 0xb7); outb(0x42, 0); outb(0x42, 0x10); ANSWER("8254 status in bcd", pit_status(2) & 0x3f);
  outb(0x61, 0); outb(0x43, 0xb0); outb(0x42, 0x34); outb(0x42, 0x12);
  outb(0x43, 0x80); outb(0x43, 0x80); u32 low = inb(0x42), high = inb(0x42); ANSWER("8254 gated count", low, high);
  outb(0x61, 1); outb(0x43, 0xb0); outb(0x42, 0xff); outb(0x42, 0xff);
  u32 a = pit_count(2); for (volatile int i = 0; i < 10000; i++) ; u32 b = pit_count(2); ANSWER("8254 counts", a != b);
  outb(0x43, 0xb0); outb(0x42, 100); outb(0x42, 0); u32 reached = 0; for (u32 i = 0; i < 10000000 && !reached; i++) reached = inb(0x61) & 0x20;
  ANSWER("8254 terminal count at port 61", reached);
  outb(0x43, 0xb0); ANSWER("8254 output low after mode 0", inb(0x61) & 0x20);
  outb(0x43, 0xb4); ANSWER("8254 output high after mode 2", inb(0x61) & 0x20);
  outb(0x61, 0);
  outb(0x43, 0x36); outb(0x40, 0); outb(0x40, 0); u32 even = 1; for (int i = 0; i < 50; i++) even &= !(pit_count(0) & 1); ANSWER("8254 mode 3 counts by two", even);
  pic_init(0xfe, 0xff); outb(0x43, 0x34); outb(0x40, 0xa9); outb(0x40, 4);
  u32 ticks = taken[0x20]; for (int i = 0; i < 3; i++) wait_for(0x20); ANSWER("8254 interrupts", taken[0x20] >= ticks + 3);
  pic_init(0xff, 0xff);
}

static u8 cmos(u8 index) { outb(0x70, index); return inb(0x71); }
static void cmos_set(u8 index, u8 value) { outb(0x70, index); outb(0x71, value); }
static void ask_rtc(void) {
  cmos_set(0x0a, 0x26); cmos_set(0x0b, 0x82);
  ANSWER("rtc control", cmos(0x0a) & 0x7f, cmos(0x0b), cmos(0x0d));
  cmos_set(0x04, 0x23); cmos_set(0x02, 0x59); cmos_set(0x00, 0x58); cmos_set(0x07, 0x28); cmos_set(0x08, 0x02); cmos_set(0x09, 0x24); cmos_set(0x32, 0x20);
  ANSWER("rtc stopped time", cmos(4), cmos(2), cmos(0), cmos(7), cmos(8), cmos(9), cmos(0x32));
  cmos_set(0x02, 0x30); cmos_set(0x0b, 0x02); ANSWER("rtc running time", cmos(4), cmos(2), cmos(7), cmos(8), cmos(9));
  cmos_set(0x0b, 0x06); ANSWER("rtc binary", cmos(4), cmos(2), cmos(7), cmos(8), cmos(9));
  cmos_set(0x0b, 0x00); ANSWER("rtc twelve hours", cmos(4), cmos(2));
  cmos_set(0x0b, 0x02);
  cmos_set(0x50, 0xa5); ANSWER("cmos memory", cmos(0x50), cmos(0xd0));
  ANSWER("cmos memory size", cmos(0x15), cmos(0x16), cmos(0x30), cmos(0x31), cmos(0x34), cmos(0x35));
  /* 1024 Hz on IRQ 8. */
  pic_init(0xfb, 0xfe); cmos(0x0c); cmos_set(0x0b, 0x42); wait_for(0x28); u32 flags = cmos(0x0c); cmos_set(0x0b, 0x02);
  ANSWER("rtc periodic interrupt", taken[0x28] > 0, flags & 0xc0);
  pic_init(0xff, 0xff); cmos(0x0c);
}

static u32 ioapic(u32 index) { REGISTER(0xfec00000) = index; return REGISTER(0xfec00010); }
static void ioapic_set(u32 index, u32 value) { REGISTER(0xfec00000) = index; REGISTER(0xfec00010) = value; }
static void ask_apic(void) {
  LAPIC(0xf0) = 0x1ff; LAPIC(0x80) = 0;
  ANSWER("lapic identity", LAPIC(0x20), LAPIC(0x30), LAPIC(0xf0));
  LAPIC(0xd0) = 0xffffffff; LAPIC(0xe0) = 0; ANSWER("lapic destinations", LAPIC(0xd0), LAPIC(0xe0)); LAPIC(0xd0) = 0x01000000; LAPIC(0xe0) = 0xffffffff;
  LAPIC(0x300) = 0x40041; LAPIC(0x300) = 0x40072;
  ANSWER("lapic self interrupts", LAPIC(0x220), LAPIC(0x230), LAPIC(0x120), LAPIC(0xa0));
  LAPIC(0x80) = 0x75; ANSWER("lapic task priority", LAPIC(0x80), LAPIC(0xa0)); allow(); ANSWER("lapic held back", taken[0x41], taken[0x72]);
  LAPIC(0x80) = 0x50; allow(); ANSWER("lapic above the priority", taken[0x41], taken[0x72]);
  LAPIC(0x80) = 0; allow(); ANSWER("lapic released", taken[0x41], taken[0x72], LAPIC(0x220));
  LAPIC(0x310) = 0; LAPIC(0x300) = 0x42; allow(); LAPIC(0x300) = 0x80043; allow(); LAPIC(0x300) = 0xc0044; allow();
  LAPIC(0x310) = 0x01000000; LAPIC(0x300) = 0x845; allow(); LAPIC(0x310) = 0x02000000; LAPIC(0x300) = 0x846; allow();
  ANSWER("lapic destinations taken", taken[0x42], taken[0x43], taken[0x44], taken[0x45], taken[0x46]);
  LAPIC(0xf0) = 0xff; LAPIC(0x320) = 0x50; LAPIC(0x350) = 0x700; ANSWER("lapic disabled masks", LAPIC(0x320), LAPIC(0x350));
  LAPIC(0x350) = 0x10000; LAPIC(0xf0) = 0x1ff;
  LAPIC(0x3e0) = 0x0b; LAPIC(0x320) = 0x10050; LAPIC(0x380) = 1000; for (volatile int i = 0; i < 20000; i++) ;
  ANSWER("lapic timer masked", LAPIC(0x380), LAPIC(0x390), LAPIC(0x220));
  LAPIC(0x320) = 0x50; LAPIC(0x380) = 100000; wait_for(0x50); ANSWER("lapic timer one-shot", taken[0x50], LAPIC(0x390));
  LAPIC(0x320) = 0x20051; LAPIC(0x380) = 100000; for (int i = 0; i < 3; i++) wait_for(0x51); ANSWER("lapic timer periodic", taken[0x51] >= 3);
  LAPIC(0x380) = 0; LAPIC(0x320) = 0x10000;
  /* IRQ 4 and IRQ 0 through the I/O APIC, then IRQ 4 through LINT0. */
  ANSWER("ioapic masked", ioapic(0x10) & 0x10000, ioapic(0x18) & 0x10000);
  ioapic_set(0x19, 0); ioapic_set(0x18, 0x64); ANSWER("ioapic entry", ioapic(0x18), ioapic(0x19));
  outb(0x3f9, 2); allow(); inb(0x3fa); outb(0x3f9, 0); ANSWER("ioapic edge", taken[0x64]);
  ioapic_set(0x18, 0x8065); outb(0x3f9, 2); LAPIC(0x80) = 0xf0; u32 pending = ioapic(0x18); inb(0x3fa); outb(0x3f9, 0); LAPIC(0x80) = 0; allow();
  ANSWER("ioapic level", pending, taken[0x65], ioapic(0x18));
  ioapic_set(0x18, 0x10000); ioapic_set(0x14, 0x62); outb(0x43, 0x34); outb(0x40, 0xa9); outb(0x40, 4); wait_for(0x62); ioapic_set(0x14, 0x10000);
  ANSWER("ioapic timer on pin 2", taken[0x62] > 0);
  pic_init(0xef, 0xff); LAPIC(0x350) = 0x10700; outb(0x3f9, 2); u32 direct = taken[0x24]; allow(); ANSWER("lint0 masked", taken[0x24] - direct);
  LAPIC(0x350) = 0x700; allow(); ANSWER("lint0 as extint", taken[0x24] - direct); inb(0x3fa); outb(0x3f9, 0); pic_init(0xff, 0xff);
}

static void ask_others(void) {
  outb(0x64, 0xaa); while (!(inb(0x64) & 1)) ; ANSWER("8042 self test", inb(0x60));
  outb(0x64, 0x60); outb(0x60, 0x30); outb(0x64, 0x20); while (!(inb(0x64) & 1)) ; ANSWER("8042 command byte", inb(0x60));
  outb(0xcf9, 0x02); ANSWER("reset control", inb(0xcf9)); outb(0xcf9, 0);
  outb(0x61, 3); ANSWER("port 61", inb(0x61) & 0x0f); outb(0x61, 0);
}

void kernel_main(void) {
  outb(0x3fb, 3); outb(0x3f9, 0); pic_init(0xff, 0xff);
  for (u32 i = 0; i < 256; i++) {
    u32 stub = (u32)stubs + 16 * i;
    idt[i].low = stub; idt[i].selector = 8; idt[i].flags = 0x8e00; idt[i].high = stub >> 16;
  }
  struct { u16 limit; u32 base; } __attribute__((packed)) pointer = { sizeof idt - 1, (u32)idt };
  __asm__ volatile("lidt %0" :: "m"(pointer));
  LAPIC(0x350) = 0x700; LAPIC(0xf0) = 0x1ff;
  ask_uart(); ask_pic(); ask_pit(); ask_rtc(); ask_apic(); ask_others();
  text("end\n");
  outb(0xf4, 0);
}
