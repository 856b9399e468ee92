# runnel_room(NAME FOLDER DEPS…): a static library of all .cc files of one folder, linked to the rooms below it only.

find_program(RUNNEL_CCACHE ccache)
if(RUNNEL_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${RUNNEL_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RUNNEL_CCACHE})
endif()

set(RUNNEL_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    -Wnon-virtual-dtor -Wold-style-cast -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND RUNNEL_WARNINGS -Wthread-safety)
endif()

add_library(runnel_options INTERFACE)
target_include_directories(runnel_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(runnel_options INTERFACE ${RUNNEL_WARNINGS})
target_compile_definitions(runnel_options INTERFACE RUNNEL_VERSION="${PROJECT_VERSION}")
find_package(Threads REQUIRED)
target_link_libraries(runnel_options INTERFACE Threads::Threads)
if(RUNNEL_SANITIZE)
  target_compile_options(runnel_options INTERFACE -fsanitize=${RUNNEL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(runnel_options INTERFACE -fsanitize=${RUNNEL_SANITIZE})
endif()

function(runnel_room NAME FOLDER)
  file(GLOB sources CONFIGURE_DEPENDS ${FOLDER}/*.cc)
  add_library(${NAME} STATIC ${sources})
  target_link_libraries(${NAME} PUBLIC runnel_options ${ARGN})
endfunction()

# runnel_tests(ROOM FOLDER DEPS…): one doctest program of all *_test.cc files of one folder; a ctest of the same name.
function(runnel_tests ROOM FOLDER)
  file(GLOB sources CONFIGURE_DEPENDS ${FOLDER}/*_test.cc)
  if(sources)
    add_executable(runnel_tests_${ROOM} ${sources})
    target_link_libraries(runnel_tests_${ROOM} PRIVATE runnel_test_main ${ARGN})
    target_compile_definitions(runnel_tests_${ROOM} PRIVATE RUNNEL_SOURCE_DIR="${CMAKE_SOURCE_DIR}" RUNNEL_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
    add_test(NAME ${ROOM} COMMAND runnel_tests_${ROOM})
  endif()
endfunction()
