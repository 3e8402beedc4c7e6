/** example-capture.ts as `zstd -19 --check` compresses it: Node 20 can only decompress, and not by itself. */
export const EXAMPLE_ZST = Buffer.from(
  [
    "KLUv/WTsFh0ZADZrhEiwVDI0BmgBvPEKt7F+sGPsNtFkn0cwoazm6/viu+zntlintjGkZmSxIKDsrXcmjMe4GpPbqMV+9cDYizlh",
    "NfmDggmJZqXcOwVqAHQAcQBvYMMvdChMplRh/VhPwGcUOfR1g6LxN/4AooVw6G6OcOlfehSldzdU1fcb+ode9vQ3WzqnEY73876E",
    "6l9sqJRNNZwf51Xrj/1gLV1u8pvI2KnUvJzlJxyT/3M+Yf53GLr+5fvv84QTjBkB31wYGqKaMyT+xJfA4wnRKX3A4B98WxBOEJUb",
    "5Xp/72mEMED0XWG7/beH0CT7oTA1usz+2Ts4tvChr5Zj1V/1DGqY6KErIxCLf/FhhIDgobouKPyF/5KioUvnAnu///cJFsxwqVSk",
    "G+7HvUvNyg59upjV/lq33YM63+97D7qZLmymsNH5db4nxMnclzQioP203x0V5e4tU1a/1XdQIXx1aZigfqjPSf2S6FSeouE/fA40",
    "xiFROYE+4A/8DFy1IzqSTu7P/U6MxYjCLtJsv+0tHNhYRF8rs8r6s77CzBIRXY2BOv7HAyoouyulQOaXeSHUyaquxLj6r76Ez0MB",
    "OycNi6g/6o+AAVZKnqOkP+lHKOVkO/AH6Ad6oiebycKWxI7u170QlQuAfamTjM1v80Faf4ztyq62/q0XMbFkVcZETf1TBYKwneck",
    "Mf1M/4HWe63cHqCiv+h/KASA9KghoLICSdKt3XClJEnSAaILzIQICBGeKpJIIpFQIgkkkJGhB4X97jnb3IA6AwDUBjo3uOvgwQFI",
    "DuBC8nDIlECqHnKteuViYqv2LVo+RiqGkiRsXTl50dNQOK+8TI7ArBQuZ0Py/DYoVlwAmCX5+ju0ZvU9WdzgdBt0giiNHR8u9Q1m",
    "fwcPROzv87oYPGg+xWWuxac1pbcK8BhaVPFC1capxqigv03vPDaIitl+5kqqPKmXZdQL1lkNBDLa/8qX5ZvzIkJgtaxfjTH9Qd9Q",
    "kqCz/AXX4bBq3YA2u8xaiecuzNXjRWFtAxoGFVS4OIfT680LIvGqti0f+38IUky0Au4/aQrDwen9HAG/hgoNguAafg==",
  ].join(""),
  "base64",
);
