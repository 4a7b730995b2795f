module shapes
  implicit none
  integer, parameter :: n = 3
  real(8) :: grid(2,3)
  type point
    real :: x, y
    integer, allocatable :: tags(:)
    character(len=:), allocatable :: label
  end type
  type(point) :: origin
contains
  subroutine fill(a, s, m)
    real(8), intent(inout) :: a(:,:)
    character(len=*), intent(in) :: s
    integer, intent(in) :: m
    integer :: local(m, 0:m)
    integer, pointer :: p(:)
    integer, target :: t(10)
    complex(8) :: z
    logical :: ok
    character(5) :: fixed
    p => t(2:8:3)
    t = 7
    local = m
    fixed = 'abcde'
    z = (1.0d0, 2.0d0)
    ok = .true.
    a(1,1) = local(1,0) + p(1) + real(z) + len(s)
    print *, s, ok, fixed
  end subroutine
end module
program main
  use shapes
  integer :: i
  common /blk/ i, j
  real :: j
  real(8), allocatable :: w(:,:)
  allocate(w(-1:2, 4))
  w = 1.5d0
  grid = 2
  allocate(origin%tags(5:7))
  origin%tags = 9
  origin%label = 'zero'
  i = 3
  call fill(w, 'hello', i)
  call fill(grid, 'hi', 2)
end program
