module example.com/shop/golang

go 1.19
