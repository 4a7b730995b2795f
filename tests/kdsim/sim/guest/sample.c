// A driver that is loaded while the machine runs.
#include "ntos.h"

typedef struct _SAMPLE_EXTENSION {
  ULONG Signature;
  ULONG Calls;
  LONG History[8];
  struct { LONG X, Y; } Point;
} SAMPLE_EXTENSION;

static LONG SampleScale(LONG value, LONG factor) {
  LONG scaled = value * factor;
  return scaled + 1;
}

__attribute__((noinline)) LONG SampleGreet(SAMPLE_EXTENSION *extension, ULONG round) {
  LONG first = (LONG)round * 2;
  LONG second = SampleScale(first, 3);
  extension->History[extension->Calls % 8] = second;
  extension->Calls++;
  extension->Point.X = first;
  extension->Point.Y = second;
  return first + second;
}

static NTSTATUS SampleControl(DEVICE_OBJECT *device, IRP *irp) {
  SAMPLE_EXTENSION *extension = device->DeviceExtension;
  LONG result = SampleGreet(extension, irp->Parameter);
  irp->Information = (ULONG_PTR)result;
  if (extension->Calls == 2) DbgPrint("sample: greeted twice, result %d\n", result);
  return irp->Status = 0;
}

static void SampleUnload(DRIVER_OBJECT *driver) { DbgPrint("sample: %wZ goes away\n", &driver->DriverName); }

NTSTATUS DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path) {
  static WCHAR name[] = L"\\Device\\Sample0";
  UNICODE_STRING s = {sizeof name - 2, sizeof name, name};
  DEVICE_OBJECT *device;
  DbgPrint("sample: hello from %wZ\n", path);
  NTSTATUS status = IoCreateDevice(driver, sizeof(SAMPLE_EXTENSION), &s, 0x22, 0, 0, &device);
  if (status) return status;
  ((SAMPLE_EXTENSION *)device->DeviceExtension)->Signature = 'lpmS';
  driver->MajorFunction[0] = driver->MajorFunction[2] = driver->MajorFunction[14] = SampleControl;
  driver->DriverUnload = SampleUnload;
  return 0;
}
