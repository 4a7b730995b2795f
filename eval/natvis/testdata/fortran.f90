program main
  implicit none
  type :: point
    integer :: x
    real(8) :: y
  end type
  integer :: a(3) = (/1,2,3/)
  integer :: m(2,3)
  real(8), allocatable :: v(:)
  character(len=5) :: s = "hello"
  complex :: z = (1.0, 2.0)
  logical :: flag = .true.
  type(point) :: p
  m = reshape((/1,2,3,4,5,6/), (/2,3/))
  allocate(v(4)); v = 2.5d0
  p%x = 7; p%y = 1.5d0
  print *, a, m, v, s, z, flag, p%x ! look here
end program
